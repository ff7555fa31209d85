"""`--append`: one more part, which keeps the contract or goes to quarantine with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from ml.adopt.append import append
from ml.adopt.commands import adopt
from ml.errors import UserError
from ml.pipeline import ingest
from tests.adopt.visits import parts, state, visits, write


def test_a_part_that_keeps_the_contract_is_appended_once(project: Path) -> None:
    adopt(write("visits.csv", visits()), target="won", drop=[])
    contract = Path("contract.yaml").read_bytes()
    more = write("more.csv", visits(50, seed=2))
    append(more)
    append(more)
    assert parts() == ["0001-visits.csv", "0002-more.csv"]
    assert Path("contract.yaml").read_bytes() == contract
    ingest.main()
    assert [p["rows"] for p in json.loads(Path("reports/ingest.json").read_text())["parts"]] == [
        200,
        50,
    ]
    adopt("visits.csv", target="won", drop=[])  # again: what was appended stays
    assert parts() == ["0001-visits.csv", "0002-more.csv"]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (visits(50).assign(size="tall"), r'column "size": 50 of 50 values are not numbers'),
        (visits(50).drop(columns="plan"), r'column "plan" of contract.yaml is not in it'),
        (visits(50).assign(fax=1), r'does not know its column "fax"'),
        (visits(50).assign(plan="z"), r'column "plan"'),
        (visits(50).assign(won="maybe"), r"not among the classes no, yes"),
        (visits(50).assign(size=5000.0), r'column "size".*lies beyond'),
    ],
)
def test_a_part_that_breaks_the_contract_goes_to_quarantine(
    broken: pd.DataFrame, says: str, project: Path
) -> None:
    adopt(write("visits.csv", visits()), target="won", drop=[])
    before = state()
    more = write("more.csv", broken)
    for _ in range(2):
        with pytest.raises(UserError, match=says):
            append(more)
    assert state() == before
    assert sorted(p.name for p in Path("data/quarantine").iterdir()) == [
        "more.csv",
        "more.csv.reason.txt",
    ]
    assert Path("data/quarantine/more.csv").read_bytes() == Path(more).read_bytes()
    assert "more.csv" in Path("data/quarantine/more.csv.reason.txt").read_text()


def test_another_separator_is_named_for_what_it_is(project: Path) -> None:
    adopt(write("visits.csv", visits()), target="won", drop=[])
    with pytest.raises(UserError, match='";" separates its columns'):
        append(write("more.csv", visits(50), sep=";"))


def test_another_encoding_is_named_for_what_it_is(project: Path) -> None:
    adopt(
        write("visits.csv", visits().assign(plan="größe"), encoding="latin-1"),
        target="won",
        drop=[],
    )
    with pytest.raises(UserError, match=r"it is utf-8, in contract\.yaml the encoding is latin-1"):
        append(write("more.csv", visits(50).assign(plan="größe")))

"""`ml compare`: figures by hand, of a shadow's pairs and of a canary's share."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml.errors import UserError
from ml.journal.records import SHADOW_SUFFIX, Record
from ml.journal.store import Journal
from ml.release.ab_test import Z, compare

HEX = "0123456789abcdef" * 2


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """An empty journal, which `compare` reads."""
    url = f"sqlite:///{tmp_path}/journal.db"
    monkeypatch.setenv("JOURNAL_URL", url)
    with closing(Journal(url)) as made:
        yield made


def record(number: int, role: str, version: str, prediction: Any) -> Record:
    """An answer; a shadow's has its champion's number."""
    suffix = SHADOW_SUFFIX if role == "shadow" else ""
    entry_id = f"{number:08x}{HEX[8:]}{suffix}"
    return Record(entry_id, float(number), version, role, None, "{}", json.dumps(prediction), None)


def labels(outcomes: dict[int, Any]) -> list[tuple[str, Any]]:
    return [(f"{number:08x}{HEX[8:]}", outcome) for number, outcome in outcomes.items()]


def test_a_shadow_is_compared_row_by_row(journal: Journal) -> None:
    ours, theirs, truth = [1.0, 2.0, 3.0, 9.0], [1.5, 2.0, 2.0, 9.0], [1.0, 4.0, 2.0]
    for i in range(4):
        journal.append([record(i, "shadow", "2", theirs[i]), record(i, "champion", "1", ours[i])])
    journal.add_labels(labels(dict(enumerate(truth))))  # the last one has no label
    result = compare()
    gaps = [abs(t - y) - abs(o - y) for o, t, y in zip(ours, theirs, truth, strict=False)]
    error = statistics.stdev(gaps) / math.sqrt(3)
    mean = statistics.mean(gaps)
    assert (result["role"], result["measure"]) == ("shadow", "absolute_error")
    assert (result["pairs"], result["same_answer"]) == (3, pytest.approx(1 / 3))
    assert result["champion"] == {"version": "1", "rows": 3, "absolute_error": pytest.approx(1.0)}
    assert result["difference"]["value"] == pytest.approx(mean)
    assert result["difference"]["low"] == pytest.approx(mean - Z * error)
    assert result["difference"]["high"] == pytest.approx(mean + Z * error)


def test_requests_of_several_rows_are_paired_row_by_row(journal: Journal) -> None:
    answers = {"champion": ["no", "no", "yes"], "shadow": ["yes", "no", "yes"]}
    for role, given in answers.items():
        one = record(1, role, "1" if role == "champion" else "2", given)
        journal.append([one._replace(features="[{},{},{}]", rows=3)])
    journal.add_labels([(f"{1:08x}{HEX[8:]}-{i}", "yes") for i in range(3)])
    result = compare()
    assert result["pairs"] == 3
    assert result["champion"]["accuracy"] == pytest.approx(1 / 3)
    assert result["challenger"]["accuracy"] == pytest.approx(2 / 3)


def test_a_canary_is_compared_as_another_sample(journal: Journal) -> None:
    given = [("champion", "yes"), ("champion", "no"), ("canary", "yes"), ("canary", "yes")]
    for i, (role, answer) in enumerate(given):
        journal.append([record(i, role, "1" if role == "champion" else "2", answer)])
    journal.add_labels(labels(dict.fromkeys(range(4), "yes")))
    result = compare()
    assert result["role"] == "canary"
    assert result["champion"] == {"version": "1", "rows": 2, "accuracy": 0.5}
    assert result["challenger"] == {"version": "2", "rows": 2, "accuracy": 1.0}
    assert result["difference"]["value"] == 0.5
    assert result["difference"]["high"] == pytest.approx(0.5 + Z * math.sqrt(0.5 / 2))


def test_a_shadow_without_labels_is_nothing_to_compare(journal: Journal) -> None:
    journal.append([record(1, "champion", "1", "yes"), record(1, "shadow", "2", "yes")])
    with pytest.raises(UserError, match="no labelled answers of a challenger"):
        compare()

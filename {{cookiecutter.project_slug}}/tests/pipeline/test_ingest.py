"""Raw parts → typed table: what is read, set aside, and refused by file, column, value and line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ml.contract import (
    Boolean,
    Categorical,
    Contract,
    Datetime,
    Dropped,
    Integer,
    NumberFormat,
    Numeric,
    Source,
    Target,
    contract_json,
)
from ml.dataset.frame import read_table
from ml.errors import UserError
from ml.pipeline import ingest
from ml.pipeline.artifacts import INGESTED
from tests.conftest import read_frame

HEADER = "when;Kunde;Betrag;n;plan;aktiv;junk;left\n"
ROWS = (
    "01.02.2024;k1;1.234,50 €;3;basic;ja;x;yes\n"
    "02.02.2024;k2;-999;4;pro;nein;x;no\n"
    '03.02.2024;k3;7,25 €;;"pl\nus";;x;\n'
    ";k4;;1;basic;ja;x;NO\n"
    "05.02.2024;k5;8;2;;ja;x;rare\n"
)


@pytest.fixture
def contract() -> Contract:
    """A contract for `ROWS`, with every kind and a dropped column."""
    return Contract(
        target=Target(
            name="left", task="binary", classes=("no", "yes"), aliases={"NO": "no"},
            set_aside=("rare",),
        ),
        time="when",
        id="Kunde",
        source=Source(separator=";"),
        columns=(
            Datetime(kind="datetime", name="when", format="%d.%m.%Y", missing=True),
            Numeric(
                kind="numeric", name="Betrag", missing=True,
                format=NumberFormat(decimal=",", thousands=".", strip=("€",), sentinels=(-999,)),
            ),
            Integer(kind="integer", name="n", missing=True),
            Categorical(
                kind="categorical",
                name="plan",
                levels=("basic", "pro"),
                unseen="pool",
                missing=True,
            ),
            Boolean(kind="boolean", name="aktiv", true=("ja",), false=("nein",), missing=True),
        ),
        dropped=(Dropped(name="junk", reason="not needed"),),
    )  # fmt: skip


@pytest.fixture
def project(contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a contract and one part."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contract.yaml").write_text(contract_json(contract), encoding="utf-8")
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/0001-a.csv").write_text(HEADER + ROWS, encoding="utf-8")
    return tmp_path


def _report() -> dict[str, object]:
    found: dict[str, object] = json.loads(Path("reports/ingest.json").read_text())
    return found


def test_each_kind_is_read_as_the_contract_writes_it(project: Path, contract: Contract) -> None:
    ingest.main()
    frame = read_table(INGESTED, contract)
    assert list(frame.columns) == ["when", "Betrag", "n", "plan", "aktiv", "left", "Kunde"]
    assert frame["Betrag"].tolist()[0] == 1234.5
    assert frame["Betrag"].isna().tolist() == [False, True, True]
    assert frame["when"].tolist()[:2] == [pd.Timestamp("2024-02-01"), pd.Timestamp("2024-02-02")]
    assert frame["aktiv"].tolist() == [True, False, True]
    assert frame["left"].tolist() == ["yes", "no", "no"]
    assert frame["Kunde"].tolist() == ["k1", "k2", "k4"]
    kinds = {f.name: str(f.type) for f in pq.read_schema(INGESTED)}
    assert kinds == {
        "when": "timestamp[us]", "Betrag": "double", "n": "double", "plan": "string",
        "aktiv": "bool", "left": "string", "Kunde": "string",
    }  # fmt: skip


def test_what_is_set_aside_is_counted(project: Path) -> None:
    Path("data/raw/0002-b.csv").write_text(HEADER + ROWS.replace("rare", "yes"), encoding="utf-8")
    Path("data/raw/.gitignore").write_text("x")
    ingest.main()
    report = _report()
    assert report["parts"] == [
        {"name": "0001-a.csv", "rows": 5, "without_target": 1, "of_set_aside_classes": 1},
        {"name": "0002-b.csv", "rows": 5, "without_target": 1, "of_set_aside_classes": 0},
    ]
    assert report["rows"] == 7
    assert report["missing"] == {"when": 2, "Betrag": 4, "n": 0, "plan": 1, "aktiv": 0}


def test_the_same_parts_give_the_same_bytes(project: Path) -> None:
    ingest.main()
    first = INGESTED.read_bytes()
    ingest.main()
    assert INGESTED.read_bytes() == first


def test_a_typed_part_of_labelled_predictions_is_read_beside_text(
    project: Path, contract: Contract
) -> None:
    """What `ml retrain` writes: the contract's types, the target and the prediction's id."""
    typed = (
        read_frame(Path("data/raw/0001-a.csv"), contract)
        .assign(prediction_id="p1")
        .drop(columns="Kunde")
    )
    typed.to_parquet("data/raw/0002-labels.parquet")
    ingest.main()
    frame = read_table(INGESTED, contract)
    assert len(frame) == 6
    assert "prediction_id" not in frame
    for name in contract.names:
        pd.testing.assert_series_equal(
            frame[name][:3].reset_index(drop=True),
            frame[name][3:].reset_index(drop=True),
            check_dtype=True,
        )
    assert frame["Kunde"].isna().tolist() == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "02.02.2024",
            "2024-02-02",
            'column "when": 1 of 5 values are not moments .*"2024-02-02" at line 3',
        ),
        ("8;2", "8;2.5", 'column "n": 1 of 5 values are not whole numbers .*"2.5" at line 7'),
        ("8;2", "much;2", 'column "Betrag": 1 of 5 .*numbers .*"much" at line 7'),
        ("k4;;1", "k4;1.23;1", '"1.23" at line 6'),
        (
            ";ja;x;NO",
            ";vielleicht;x;NO",
            'column "aktiv": 1 of 5 values are not yes or no .*"vielleicht" at line 6',
        ),
        (
            "rare",
            "perhaps",
            'column "left": 1 of 5 values are not among the classes no, yes .*"perhaps" at line 7',
        ),
        (
            "Betrag",
            "Betraege",
            'column "Betrag" of contract.yaml is not in it .*nearest is "Betraege"',
        ),
        ("junk", "fax", 'does not know its column "fax"'),
        (
            "k5;8;",
            "k5;8;9;",
            "1 rows do not have the 8 columns of the first line .first: line 7 has 9",
        ),
    ],
)
def test_what_breaks_the_contract_is_named_with_file_column_value_and_line(
    old: str, new: str, says: str, project: Path
) -> None:
    part = Path("data/raw/0001-a.csv")
    part.write_text((HEADER + ROWS).replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=says) as caught:
        ingest.main()
    assert "data/raw/0001-a.csv" in caught.value.what
    assert caught.value.then
    assert not INGESTED.exists()


def test_no_data_names_the_command_that_brings_it(project: Path) -> None:
    Path("data/raw/0001-a.csv").unlink()
    with pytest.raises(UserError, match="holds no data") as caught:
        ingest.main()
    assert "dvc pull" in caught.value.then


def test_numbers_beyond_float32_are_no_numbers(project: Path, contract: Contract) -> None:
    part = Path("data/raw/0001-a.csv")
    part.write_text((HEADER + ROWS).replace("k5;8;", "k5;1e39;"), encoding="utf-8")
    with pytest.raises(UserError, match='"1e39" at line 7'):
        ingest.main()


def test_a_wide_number_format_is_exact(tmp_path: Path, contract: Contract) -> None:
    """Every digit that a float64 holds survives the way from text."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1e6, 300)
    lines = [f"01.02.2024;k;{repr(float(v)).replace('.', ',')};1;pro;ja;x;yes" for v in values]
    (tmp_path / "p.csv").write_text(HEADER + "\n".join(lines), encoding="utf-8")
    assert read_frame(tmp_path / "p.csv", contract)["Betrag"].tolist() == values.tolist()

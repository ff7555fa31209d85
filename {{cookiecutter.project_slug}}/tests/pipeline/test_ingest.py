"""Raw parts → one typed table and a report on it, or nothing where a part breaks the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from ml.contract import (
    contract_json,
)
from ml.dataset.frame import read_table
from ml.errors import UserError
from ml.pipeline import ingest
from ml.pipeline.artifacts import INGESTED
from tests.conftest import read_frame
from tests.dataset.written_part import CONTRACT, HEADER, ROWS


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a contract and one part."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contract.yaml").write_text(contract_json(CONTRACT), encoding="utf-8")
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/0001-a.csv").write_text(HEADER + ROWS, encoding="utf-8")
    return tmp_path


def _report() -> dict[str, object]:
    report: dict[str, object] = json.loads(Path("reports/ingest.json").read_text())
    return report


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


def test_a_typed_part_of_labelled_predictions_is_read_beside_text(project: Path) -> None:
    """What `ml retrain` writes: the contract's types, the target and the prediction's id."""
    typed = (
        read_frame(Path("data/raw/0001-a.csv"), CONTRACT)
        .assign(prediction_id="p1")
        .drop(columns="Kunde")
    )
    typed.to_parquet("data/raw/0002-labels.parquet")
    ingest.main()
    frame = read_table(INGESTED, CONTRACT)
    assert len(frame) == 6
    assert frame["prediction_id"].isna().tolist() == [True] * 3 + [False] * 3  # a row's identity
    for name in CONTRACT.names:
        pd.testing.assert_series_equal(
            frame[name][:3].reset_index(drop=True),
            frame[name][3:].reset_index(drop=True),
            check_dtype=True,
        )
    assert frame["Kunde"].isna().tolist() == [False] * 3 + [True] * 3


def test_no_data_names_the_command_that_brings_it(project: Path) -> None:
    Path("data/raw/0001-a.csv").unlink()
    with pytest.raises(UserError, match="holds no data") as caught:
        ingest.main()
    assert "dvc pull" in caught.value.then


def test_a_part_that_breaks_the_contract_leaves_no_table(project: Path) -> None:
    part = Path("data/raw/0001-a.csv")
    part.write_text((HEADER + ROWS).replace("8;2", "8;2.5"), encoding="utf-8")
    with pytest.raises(UserError, match=r'data/raw/0001-a\.csv: column "n"'):
        ingest.main()
    assert not INGESTED.exists()

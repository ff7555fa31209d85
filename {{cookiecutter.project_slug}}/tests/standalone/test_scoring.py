"""Offline scoring answers as the service does, and refuses what the service refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from ml.errors import UserError
from ml.serving.api.app import create_app
from ml.standalone import scoring
from tests.serving.conftest import CLASSIFICATION, REGRESSION, sample_rows, settings_of
from tests.standalone.conftest import ROWS, written


def test_a_file_is_answered_as_requests_are(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(scoring, "ROWS", 128)
    assert scoring.score(written(Path("in.parquet"), ROWS), Path("out.parquet")) == 300
    found = pd.read_parquet("out.parquet")
    with TestClient(create_app(settings_of(project))) as client:
        online = client.post("/predict", json=ROWS).json()
    assert found["prediction"].tolist() == [a["prediction"] for a in online]
    for name in CLASSIFICATION.target.classes:
        given = found[f"probability:{name}"].to_numpy()
        assert (
            given.tolist()
            == pd.Series([a["probabilities"][name] for a in online]).astype("float32").tolist()
        )
    assert found["extra"].tolist() == list(range(300))
    assert set(found["model_version"]) == {"1"}
    assert "300 rows scored by version 1" in capsys.readouterr().out


def test_numbers_are_scored_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_BUNDLE", "serving/releases/r")
    scoring.score(
        written(Path("in.parquet"), sample_rows(REGRESSION, 20), REGRESSION), Path("out.parquet")
    )
    assert pd.read_parquet("out.parquet")["prediction"].dtype == "float32"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"plan": "gold"}, "values: is not one of the contract's levels, first: 'gold' in row 5"),
        ({"class": 2.5}, "values: is not a whole number, first: '2.5' in row 5"),
        ({"monthly charge": 1e39}, "values: does not fit a float32, first: '1e+39' in row 5"),
        ({"class": None}, "values: is missing"),
        ({"note": "x" * 10_001}, "values: is longer than 10000 characters, first: 'xxx"),
    ],
)
def test_what_a_request_may_not_hold_a_file_may_not_either(
    project: Path, change: dict[str, Any], says: str
) -> None:
    rows = [*ROWS[:5], {**ROWS[5], **change}]
    with pytest.raises(UserError) as raised:
        scoring.score(written(Path("in.parquet"), rows), Path("out.parquet"))
    start = f'in.parquet: rows from 0: column "{next(iter(change))}": 1 of 6 '
    assert raised.value.what.startswith(start + says)
    assert not list(Path().glob("out.parquet*"))


def test_a_wrong_file_is_told(project: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        scoring.score(Path("none.parquet"), Path("out.parquet"))
    Path("text.parquet").write_text("no")
    with pytest.raises(UserError, match="not a Parquet file"):
        scoring.score(Path("text.parquet"), Path("out.parquet"))
    pq.write_table(pa.table({"plan": ["basic"]}), "few.parquet")
    with pytest.raises(UserError, match='there is no column "monthly charge"; there are: "plan"'):
        scoring.score(Path("few.parquet"), Path("out.parquet"))

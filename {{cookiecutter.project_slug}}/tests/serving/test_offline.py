"""Offline scoring answers as the service does; the journal can be exported and pruned."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from starlette.testclient import TestClient

from ml import scoring
from ml.dataset.frame import frame_of_rows
from ml.errors import UserError
from ml.journal.export import export, prune
from ml.journal.records import Record
from ml.journal.store import Journal
from ml.monitoring.commands import prune_old
from tests.conftest import write_settings
from tests.serving.conftest import CLASSIFICATION, REGRESSION, sample_rows

ROWS = sample_rows(CLASSIFICATION, 300)
for _i in range(0, 300, 7):
    ROWS[_i]["monthly charge"] = None
    ROWS[_i + 1]["city"] = "Atlantis"


def written(path: Path, rows: list[dict[str, Any]], contract: Any = CLASSIFICATION) -> Path:
    """The rows as a typed Parquet file, with a column that the contract does not know."""
    frame_of_rows(rows, contract).assign(extra=range(len(rows))).to_parquet(path)
    return path


def test_a_file_is_answered_as_requests_are(
    project: Path,
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(scoring, "ROWS", 128)
    assert scoring.score(written(Path("in.parquet"), ROWS), Path("out.parquet")) == 300
    found = pd.read_parquet("out.parquet")
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
        ({"plan": "gold"}, 'column "plan": "gold" is not one of its 3 levels'),
        ({"class": 2.5}, 'column "class": 2.5 is not a integer value'),
        ({"monthly charge": 1e39}, 'column "monthly charge": 1e+39 is not a numeric value'),
        ({"class": None}, 'column "class": a value is missing'),
    ],
)
def test_what_a_request_may_not_hold_a_file_may_not_either(
    project: Path, change: dict[str, Any], says: str
) -> None:
    rows = [*ROWS[:5], {**ROWS[5], **change}]
    with pytest.raises(UserError) as raised:
        scoring.score(written(Path("in.parquet"), rows), Path("out.parquet"))
    assert says in raised.value.what
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


def _entry(number: int, at: float) -> Record:
    return Record(
        f"{number:03d}", at, "1", "champion", None, '{"plan": "basic"}', '"no"', '{"no": 1}'
    )


def test_an_export_holds_answers_and_latest_labels(project: Path) -> None:
    journal, now = Journal(), time.time()
    journal.append([_entry(1, now - 10 * 86400), _entry(2, now)])
    journal.add_labels([("002", "no")])
    journal.add_labels([("002", 'yes, "100%"')])
    assert export(Path("all.parquet")) == 2
    found = pd.read_parquet("all.parquet")
    assert found["outcome"].tolist()[1] == '"yes, \\"100%\\""'
    assert found["at"].dt.tz is not None
    assert export(Path("new.parquet"), days=1) == 1
    with pytest.raises(UserError, match="no answers in that time"):
        export(Path("none.parquet"), days=-1)
    assert not Path("none.parquet").exists()


def test_pruning_removes_old_answers_and_their_labels(project: Path) -> None:
    journal, now = Journal(), time.time()
    journal.append([_entry(i, now - 100 * 86400) for i in range(1200)])
    journal.append([_entry(2000, now)])
    journal.add_labels([("0001", "no"), ("001", "no"), ("2000", "no")])
    assert prune(days=30) == 1200
    assert [p.prediction_id for p in journal.predictions()] == ["2000"]
    assert [p.outcome for p in journal.labelled()] == ["no"]
    assert prune(days=30) == 0


def _keep(project: Path, days: float) -> None:
    write_settings(project / "params.yaml", journal__keep_days=days, monitor__window_days=30)


def test_the_settings_say_how_long_answers_are_kept(project: Path) -> None:
    journal, now = Journal(), time.time()
    journal.append([_entry(1, now - 50 * 86400), _entry(2, now - 35 * 86400), _entry(3, now)])
    _keep(project, 0)
    with pytest.raises(UserError, match="keep_days: 0 keeps all"):
        prune()
    prune_old(Console(quiet=True))
    assert journal.count() == 3
    _keep(project, 40)
    assert prune() == 1
    _keep(project, 30)
    prune_old(Console(quiet=True))
    assert [p.prediction_id for p in journal.predictions()] == ["003"]


def test_answers_are_kept_as_long_as_the_monitor_looks_back(project: Path) -> None:
    journal = Journal()
    journal.append([_entry(1, time.time() - 20 * 86400)])
    _keep(project, 10)
    with pytest.raises(UserError, match=r"keep_days: 10 is less than monitor.window_days \(30\)"):
        prune()
    told = Console(record=True, quiet=True)
    prune_old(told)
    assert journal.count() == 1


def test_an_export_leaves_sqlite_free_to_start_its_log_over(project: Path) -> None:
    journal = Journal()
    journal.append([_entry(i, 1.0) for i in range(3000)])
    rows = journal.predictions()
    assert next(rows).prediction_id == "000"  # the others are still to be read
    with closing(sqlite3.connect("serving/journal.db", isolation_level=None)) as shell:
        busy, *_ = shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy
    assert sum(1 for _ in rows) == 2999

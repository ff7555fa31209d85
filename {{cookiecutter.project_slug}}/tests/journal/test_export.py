"""What leaves the journal: an export to Parquet, and old answers with their labels."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from starlette.testclient import TestClient

from ml.encode import DAY_SECONDS
from ml.errors import UserError
from ml.journal.export import export, prune
from ml.journal.records import Record, id_begin
from ml.journal.store import Journal
from ml.ledger import chain
from ml.monitoring.commands import prune_old
from tests.conftest import full_disk, write_settings
from tests.journal.test_records import answered
from tests.serving.conftest import CLASSIFICATION, sample_rows


def entry_id(number: int, at: float) -> str:
    return f"{id_begin(at)}{number:020x}"


def _entry(number: int, at: float) -> Record:
    return Record(
        entry_id(number, at), at, "1", "champion", None, '{"plan": "basic"}', '"no"', '{"no": 1}'
    )


def test_an_export_holds_answers_and_latest_labels(project: Path) -> None:
    journal, now = Journal(), time.time()
    journal.append([_entry(1, now - 10 * DAY_SECONDS), _entry(2, now)])
    journal.add_labels([(entry_id(2, now), "no")])
    journal.add_labels([(entry_id(2, now), 'yes, "100%"')])
    assert export(Path("all.parquet")) == 2
    exported = pd.read_parquet("all.parquet")
    assert exported["outcome"].tolist()[1] == '"yes, \\"100%\\""'
    assert exported["at"].dt.tz is not None
    assert export(Path("new.parquet"), days=1) == 1
    with pytest.raises(UserError, match="no answers in that time"):
        export(Path("none.parquet"), days=-1)
    with full_disk(500), pytest.raises(UserError, match=r"full.parquet: the disk is full") as told:
        export(Path("full.parquet"))
    assert told.value.then == "free some space, then the same command again"
    assert not [*Path().glob("*none.parquet*"), *Path().glob("*full.parquet*")]


def test_pruning_removes_old_answers_and_their_labels(project: Path) -> None:
    journal, now = Journal(), time.time()
    old, kept = now - 100 * DAY_SECONDS, entry_id(2000, now)
    journal.append([_entry(i, old) for i in range(1200)])
    journal.append([_entry(2000, now)])
    journal.add_labels([("0001", "no"), (entry_id(1, old), "no"), (kept, "no")])
    assert prune(days=30) == 1200
    assert [p.prediction_id for p in journal.predictions()] == [kept]
    assert [p.outcome for p in journal.labelled()] == ["no"]
    assert prune(days=30) == 0


def _keep(project: Path, days: float) -> None:
    write_settings(project / "params.yaml", journal__keep_days=days, monitor__window_days=30)


def test_the_settings_say_how_long_answers_are_kept(project: Path) -> None:
    journal, now = Journal(), time.time()
    journal.append(
        [_entry(1, now - 50 * DAY_SECONDS), _entry(2, now - 35 * DAY_SECONDS), _entry(3, now)]
    )
    _keep(project, 0)
    with pytest.raises(UserError, match="keep_days: 0 keeps all"):
        prune()
    prune_old(Console(quiet=True))
    assert journal.count() == 3
    _keep(project, 40)
    assert prune() == 1
    _keep(project, 30)
    prune_old(Console(quiet=True))
    assert [p.prediction_id for p in journal.predictions()] == [entry_id(3, now)]


def test_the_ledger_says_what_was_removed_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, now = Journal(), time.time()
    monkeypatch.setattr("ml.journal.export.now", lambda: now)
    journal.append([_entry(i, now - (100 - i) * DAY_SECONDS) for i in range(3)])
    labelled = entry_id(1, now - 99 * DAY_SECONDS)
    journal.add_labels([(labelled, "no"), (labelled, "no"), ("elsewhere", "no")])
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "remove", _interrupted)
        with pytest.raises(KeyboardInterrupt):  # killed when the line is written
            prune(days=30)
    assert journal.count() == 3
    assert prune(days=30, who="loop") == 3
    assert prune(days=30) == 0
    (line,) = chain.entries()
    assert (line.action, line.evidence["answers"], line.evidence["labels"]) == ("prune", 3, 2)
    span = [datetime.fromisoformat(line.evidence[end]).timestamp() for end in ("from", "until")]
    assert span[1] - span[0] == pytest.approx(2 * DAY_SECONDS, abs=1)


def _interrupted(*_: object) -> int:
    raise KeyboardInterrupt


def test_answers_are_kept_as_long_as_the_monitor_looks_back(project: Path) -> None:
    journal = Journal()
    journal.append([_entry(1, time.time() - 20 * DAY_SECONDS)])
    _keep(project, 10)
    with pytest.raises(UserError, match=r"keep_days: 10 is less than monitor.window_days \(30\)"):
        prune()
    told = Console(record=True, quiet=True)
    prune_old(told)
    assert journal.count() == 1


def test_export_and_pruning_count_answers(client: TestClient, project: Path) -> None:
    ids = answered(client, sample_rows(CLASSIFICATION, 5))
    single = client.post("/predict", json=sample_rows(CLASSIFICATION, 1)[0]).json()["prediction_id"]
    assert (
        client.post("/labels", json={"prediction_id": ids[4], "outcome": "no"}).json()["unknown"]
        == 0
    )
    assert export(Path("all.parquet")) == 6
    found = pd.read_parquet("all.parquet").set_index("prediction_id")
    assert set(found.index) == {*ids, single}
    assert found.loc[ids[4], "outcome"] == json.dumps("no")
    assert found["outcome"].notna().sum() == 1
    assert prune(days=-1) == 6
    assert Journal().count() == 0
    with closing(sqlite3.connect("serving/journal.db")) as connection:
        assert connection.execute("SELECT count(*) FROM labels").fetchone() == (0,)

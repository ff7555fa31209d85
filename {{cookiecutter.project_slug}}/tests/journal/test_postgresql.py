"""The same journal in PostgreSQL, a server of the tests' own."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pandas as pd
import psutil
import pytest

from ml.journal.erasure import empty_log, find, remove
from ml.journal.export import export, prune
from ml.journal.records import Record
from ml.journal.store import Journal
from tests.conftest import write_settings
from tests.journal.postgresql import Database, needs_postgresql
from tests.serving.conftest import Start
from tests.serving.load import answered, under_load

KILLS = 6

pytestmark = [pytest.mark.slow, needs_postgresql]


def test_under_load_every_acknowledged_answer_is_kept_once(start: Start, journal: Journal) -> None:
    server = start("--workers", "2")

    async def for_a_while(load: Any) -> None:
        await answered(load, 300)

    load = under_load(server.url, for_a_while)
    server.stop()
    assert server.process.returncode == 0
    assert load.refused == []
    assert load.broken == 0
    assert len(load.answers) >= 300
    assert Counter(p.prediction_id for p in journal.predictions()) == Counter(
        a["prediction_id"] for a in load.answers
    )


def test_killed_at_any_moment_nothing_acknowledged_is_lost(start: Start, journal: Journal) -> None:
    acknowledged: list[str] = []
    random.seed(7)
    for turn in range(KILLS):
        server = start("--workers", "2" if turn % 3 == 0 else "1")

        async def kill(load: Any, server: Any = server) -> None:
            await answered(load, random.randint(1, 100))
            load.stopped = True  # what comes after the kill is not a request of this test
            for process in [*psutil.Process(server.process.pid).children(), server.process]:
                os.kill(process.pid, signal.SIGKILL)

        acknowledged += [a["prediction_id"] for a in under_load(server.url, kill).answers]
    kept = Counter(p.prediction_id for p in journal.predictions())
    assert len(acknowledged) > 10 * KILLS
    assert not set(acknowledged) - set(kept)
    assert max(kept.values()) == 1


def test_while_the_database_is_away_it_refuses_and_then_goes_on(
    start: Start, project: Path, database: Database, journal: Journal, row: dict[str, Any]
) -> None:
    write_settings(project / "params.yaml", serve__deadline_seconds=1)
    server = start()
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        assert client.post("/predict", json=row).status_code == 200
        database.stop("immediate")
        try:
            refused = client.post("/predict", json=row)
            label = client.post("/labels", json={"prediction_id": "a", "outcome": "no"})
            assert client.get("/health/live").status_code == 200
        finally:
            database.start()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["detail"][0]["type"] == "journal"
        assert label.status_code == 503
        assert client.post("/predict", json=row).status_code == 200
    assert journal.count() == 2


def test_a_locked_table_holds_up_writes_only(
    start: Start, project: Path, journal: Journal, row: dict[str, Any]
) -> None:
    write_settings(project / "params.yaml", serve__deadline_seconds=4)
    server = start()
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        assert client.post("/predict", json=row).status_code == 200
        with journal.engine.begin() as shell:
            shell.exec_driver_sql("LOCK TABLE predictions IN EXCLUSIVE MODE")
            refused = client.post("/predict", json=row)
            ready = client.get("/health/ready")
            assert client.get("/health/live").status_code == 200
        assert refused.status_code == 503
        assert "lock timeout" in refused.json()["detail"][0]["msg"]
        assert ready.status_code == 503
        # no address of it
        assert ready.json()["reason"].startswith("journal: the database is away")
        while client.get("/health/ready").status_code != 200:
            time.sleep(0.1)
        assert client.post("/predict", json=row).status_code == 200
        assert 'ml_journal_bytes{database="postgresql"}' in client.get("/metrics").text
    assert journal.count() == 2
    assert journal.bytes() > 0
    assert journal.free_bytes() is None


def test_labels_retention_and_export(start: Start, journal: Journal, row: dict[str, Any]) -> None:
    server = start()
    with httpx2.Client(base_url=server.url) as client:
        wide = {**row, "note": "\0ü"}
        answers = [a for n in (700, 500) for a in client.post("/predict", json=[wide] * n).json()]
        ids = [answer["prediction_id"] for answer in answers]
        labels = [
            {"prediction_id": prediction_id, "outcome": "no"}
            for prediction_id in [*ids[:600], "elsewhere"]
        ]
        assert client.post("/labels", json=labels).json() == {"recorded": 601, "unknown": 1}
        client.post("/labels", json={"prediction_id": ids[0], "outcome": 'yes, "100%"'})
    assert [p.prediction_id for p in journal.predictions()] == ids
    outcomes = dict.fromkeys(ids[:600], "no") | {ids[0]: 'yes, "100%"'}
    assert {p.prediction_id: p.outcome for p in journal.labelled()} == outcomes
    assert export(Path("all.parquet")) == 1200
    assert pd.read_parquet("all.parquet")["outcome"].notna().sum() == 600
    assert prune(days=1) == 0
    assert journal.remove(time.time() + 1, 700) == 700
    assert journal.count() == 500
    assert journal.remove(time.time() + 1, 700) == 500
    with journal.engine.connect() as connection:
        label_ids = connection.exec_driver_sql("SELECT prediction_id FROM labels").scalars().all()
    assert label_ids == ["elsewhere"]


def test_a_persons_rows_are_removed_while_labels_come(journal: Journal) -> None:
    """Labels of the other rows that arrive while requests are split lead to them afterwards."""
    ids = [f"{i:032x}" for i in range(40)]
    arrays = (json.dumps(["a", 'x"%_ł', None]), "[{},{},{}]", '["no","no","no"]', None)
    journal.append([Record(i, 1.0, "1", "champion", *arrays, 3) for i in ids])

    def label() -> None:
        with closing(Journal()) as other:
            for i in ids:
                other.add_labels([(f"{i}-{place}", "no") for place in range(3)])

    with ThreadPoolExecutor(1) as pool:
        labelling = pool.submit(label)
        remove(journal, find(journal, ['x"%_ł']))
        labelling.result()
    remaining = {f"{i}-{place}" for i in ids for place in (0, 2)}
    assert {p.prediction_id for p in journal.predictions()} == remaining
    assert {p.prediction_id for p in journal.labelled()} == remaining
    assert find(journal, ['x"%_ł', "A"]) == []
    assert empty_log(journal)


@pytest.mark.parametrize("most", [1, 3])
def test_labels_that_come_at_once_open_so_many_connections_at_most(
    database: Database, journal: Journal, most: int
) -> None:
    """A label waits for a lock in its connection, the others for a connection."""
    with closing(Journal(connections=most)) as labelling, ThreadPoolExecutor(6) as pool:
        with journal.engine.begin() as locked:
            locked.exec_driver_sql("LOCK TABLE labels IN EXCLUSIVE MODE")
            labels = [pool.submit(labelling.add_labels, [(f"{i:032x}", "no")]) for i in range(6)]
            while waiting(journal) < most:
                time.sleep(0.01)
            time.sleep(0.2)  # for one more than there may be
            assert waiting(journal) == most
        for label in labels:
            label.result()


def waiting(journal: Journal) -> int:
    """Connections that wait for a lock."""
    counted = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with journal.engine.connect() as connection:
        return int(connection.exec_driver_sql(counted).scalar_one())

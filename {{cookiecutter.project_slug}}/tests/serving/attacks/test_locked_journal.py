"""A journal that is locked or whose disk is full: callers are told in time, nothing is lost."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ml.errors import UserError
from ml.journal.export import prune
from ml.journal.records import Record
from ml.journal.store import Journal, JournalError
from tests.conftest import write_settings
from tests.serving.conftest import Running, Start

DEADLINE = 4  # seconds; the server's setting in these tests
FILE = Path("serving/journal.db")


@contextmanager
def sqlite_lock(file: Path = FILE) -> Iterator[None]:
    """What a sqlite shell holds after BEGIN IMMEDIATE."""
    shell = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    shell.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        shell.execute("ROLLBACK")
        shell.close()


@contextmanager
def exclusive_lock(file: Path = FILE) -> Iterator[None]:
    """What a tool holds that keeps even readers out (VACUUM, locking_mode=EXCLUSIVE)."""
    shell = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    shell.execute("PRAGMA locking_mode = EXCLUSIVE")
    shell.execute("BEGIN EXCLUSIVE")  # granted where nobody has the file open
    try:
        yield
    finally:
        shell.close()


@contextmanager
def turn_lock(file: Path = FILE) -> Iterator[None]:
    """What a stopped `ml label` holds."""
    with Path(f"{file}.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


Lock = Callable[[], Any]
LOCKS = pytest.mark.parametrize("lock", [sqlite_lock, turn_lock])


@pytest.fixture
def server(start: Start, project: Path) -> Running:
    """A server with a short deadline."""
    write_settings(project / "params.yaml", serve__deadline_seconds=DEADLINE)
    return start()


def get(server: Running, path: str) -> httpx2.Response:
    return httpx2.get(f"{server.url}{path}", timeout=30)


def until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it did not come true")


@LOCKS
def test_a_locked_journal_stops_writes_and_nothing_else(
    server: Running, row: dict[str, Any], lock: Lock
) -> None:
    """No route, not even /health, answered for 30 s; now writes get 503 within the deadline."""
    with httpx2.Client(base_url=server.url, timeout=60) as client, ThreadPoolExecutor(8) as pool:
        kept = [client.post("/predict", json=row).json()["prediction_id"]]
        with lock():
            label = {"prediction_id": kept[0], "outcome": "no"}
            waiting = [pool.submit(client.post, "/predict", json=row) for _ in range(6)]
            labels = [pool.submit(client.post, "/labels", json=label) for _ in range(2)]
            time.sleep(0.2)  # they are inside
            live = [client.get("/health/live").status_code for _ in range(5)]
            assert live == [200] * 5
            assert not any(one.done() for one in waiting)  # /health answered while they waited
            for one in (*waiting, *labels):
                answer = one.result()
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                assert answer.json()["detail"][0]["type"] == "journal"  # the deadline would say so
                assert (
                    "locked by another process" in answer.text
                    or "database is locked" in answer.text
                )
            ready = client.get("/health/ready")
            assert (ready.status_code, "locked" in ready.json()["reason"]) == (503, True)
            assert client.get("/v2/health/ready").json() == {"ready": False}
            metrics = client.get("/metrics").text
            assert "ml_journal_failures_total 6.0" in metrics
            assert "ml_label_failures_total 2.0" in metrics
        # without any request for a prediction
        until(lambda: client.get("/health/ready").status_code == 200)
        kept += [client.post("/predict", json=row).json()["prediction_id"] for _ in range(3)]
        assert client.post("/labels", json=label).json() == {"recorded": 1, "unknown": 0}
    assert [p.prediction_id for p in Journal().predictions()] == kept
    logged = server.stop()
    assert logged.count("labels were not recorded") == 2
    assert (
        logged.count("nothing is answered: journal: ")
        == logged.count("the journal is written again")
        == 1
    )


@LOCKS
def test_a_short_lock_refuses_nobody(server: Running, row: dict[str, Any], lock: Lock) -> None:
    """A lock for less than half the deadline delays, and that is all."""
    with ThreadPoolExecutor(4) as pool:
        with lock():
            waiting = [
                pool.submit(httpx2.post, f"{server.url}/predict", json=row, timeout=30)
                for _ in range(4)
            ]
            time.sleep(0.5)
        assert [one.result().status_code for one in waiting] == [200] * 4
    assert Journal().count() == 4


@LOCKS
def test_a_server_and_readers_start_beside_a_lock(
    start: Start, project: Path, row: dict[str, Any], lock: Lock
) -> None:
    """`ml serve` and `ml journal export` waited for the lock for ever; they begin with reading."""
    Journal().close()
    write_settings(project / "params.yaml", serve__deadline_seconds=DEADLINE)
    with lock():
        server = start(ready=False)
        until(lambda: _answers(server))
        assert Journal().count() == 0
    until(lambda: httpx2.post(f"{server.url}/predict", json=row, timeout=30).status_code == 200)


def _answers(server: Running) -> bool:
    try:
        return get(server, "/health/live").status_code == 200
    except httpx2.TransportError:
        return False


def test_a_journal_that_cannot_be_made_is_told(project: Path) -> None:
    FILE.parent.mkdir(exist_ok=True)
    Path(f"{FILE}.lock").touch()
    with turn_lock(), pytest.raises(UserError, match="locked by another process") as refused:
        Journal(patience=0.1)
    assert "fuser" in refused.value.then


def test_a_journal_that_cannot_be_read_is_told(project: Path) -> None:
    FILE.parent.mkdir(exist_ok=True)
    with exclusive_lock(), pytest.raises(UserError, match="database is locked"):
        Journal(patience=0.1)


@pytest.mark.parametrize("lock", [sqlite_lock, turn_lock, exclusive_lock])
def test_the_event_loops_way_never_waits(project: Path, lock: Lock) -> None:
    """`try_append` runs in the event loop: while the journal is locked it says no."""
    journal = Journal(patience=0.2)
    journal.append([_entry("before")])
    if lock is exclusive_lock:
        journal.close()  # sqlite grants that lock only when nobody has the file open
    with lock():
        for entries in ([_entry("a")], [_entry("b"), _entry("c")]):
            assert journal.try_append(entries) is False
            with pytest.raises(JournalError, match="locked"):
                journal.append(entries)
    journal.append([_entry("after")])
    assert journal.try_append([_entry("soon")]) is True
    assert [p.prediction_id for p in journal.predictions()] == ["after", "before", "soon"]
    journal.close()


def _entry(name: str, at: float = 1.0) -> Record:
    return Record(name, at, "1", "champion", None, "{}", '"no"', None)


def test_pruning_a_large_journal_lets_the_service_answer(
    server: Running, row: dict[str, Any]
) -> None:
    """Every answer of the load is a 200 while 20,000 old ones go."""
    journal = Journal()
    journal.append([_entry(f"{i:06d}") for i in range(20_000)])
    done = threading.Event()
    statuses: list[int] = []

    def load() -> None:
        with httpx2.Client(base_url=server.url, timeout=30) as client:
            while not done.is_set():
                statuses.append(client.post("/predict", json=row).status_code)

    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load) for _ in range(2)]
        until(lambda: len(statuses) > 20)
        answered_before = len(statuses)
        assert prune(days=1) == 20_000
        during = len(statuses) - answered_before
        done.set()
        for one in loads:
            one.result()
    assert set(statuses) == {200}
    assert during > 0  # the prune lets requests in between two of its pieces
    assert journal.count() == len(statuses)


@pytest.mark.slow
def test_a_full_disk_is_not_ready_until_there_is_room(
    start: Start, small_disk: Path, row: dict[str, Any]
) -> None:
    """Ready all the time before, so that a balancer went on sending requests in vain."""
    file = small_disk / "journal.db"
    server = start(env={"JOURNAL_URL": f"sqlite:///{file}"})
    wide = [{**row, "note": "x" * 4000}] * 100
    while httpx2.post(f"{server.url}/predict", json=wide).status_code == 200:
        pass
    for _ in range(30):  # trial writes do not make it ready while only they find room
        ready = get(server, "/health/ready")
        assert (ready.status_code, ready.json()["reason"]) == (
            503,
            "journal: database or disk is full",
        )
        time.sleep(0.1)
    os.system(f"mount -o remount,size=100m '{small_disk}'")  # noqa: S605
    until(lambda: get(server, "/health/ready").status_code == 200)
    assert httpx2.post(f"{server.url}/predict", json=wide).status_code == 200
    until(lambda: 'ml_journal_free_bytes{database="sqlite"}' in get(server, "/metrics").text)
    sizes = _gauges(get(server, "/metrics").text)
    assert sizes["ml_journal_bytes"] > 10e6
    assert 10e6 < sizes["ml_journal_free_bytes"] < 100e6


def _gauges(text: str) -> dict[str, float]:
    lines = [
        line.split() for line in text.splitlines() if line.startswith("ml_journal_") and "{" in line
    ]
    return {name.split("{")[0]: float(value) for name, value in lines}

"""What a loaded server promises while things go wrong: killed, out of disk, the journal locked."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import random
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from starlette.testclient import TestClient

from ml.journal.store import Journal
from tests.serving.conftest import Start, waiting_inside
from tests.serving.load import Load, answered, under_load

KILLS = 30


@pytest.mark.slow
def test_killed_at_any_moment_every_acknowledged_answer_is_in_the_journal_once(
    start: Start, project: Path
) -> None:
    acknowledged: list[str] = []
    random.seed(7)
    for turn in range(KILLS):
        server = start("--workers", "2" if turn % 3 == 0 else "1")

        async def kill(load: Load, server: Any = server) -> None:
            await answered(load, random.randint(1, 400))
            load.stopped = True  # what comes after the kill is not a request of this test
            for process in [*psutil.Process(server.process.pid).children(), server.process]:
                os.kill(process.pid, signal.SIGKILL)

        acknowledged += [a["prediction_id"] for a in under_load(server.url, kill).answers]
    kept = Counter(p.prediction_id for p in Journal().predictions())
    assert len(acknowledged) > 30 * KILLS
    assert not set(acknowledged) - set(kept)
    assert max(kept.values()) == 1
    assert len(set(acknowledged)) == len(acknowledged)


@pytest.mark.slow
def test_a_full_disk_is_told_and_recovered_from(
    start: Start, small_disk: Path, row: dict[str, Any]
) -> None:
    url = f"sqlite:///{small_disk}/journal.db"
    server = start(env={"JOURNAL_URL": url}, ready=True)
    acknowledged = 0
    wide = [{**row, "note": "x" * 4000}] * 100
    while (answer := httpx2.post(f"{server.url}/predict", json=wide)).status_code == 200:
        acknowledged += len(answer.json())
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "disk is full" in answer.json()["detail"][0]["msg"]
    assert httpx2.get(f"{server.url}/health/live").status_code == 200
    assert Journal(url).count() == acknowledged
    os.system(f"mount -o remount,size=100m '{small_disk}'")  # noqa: S605
    after = httpx2.post(f"{server.url}/predict", json=row)
    assert after.status_code == 200
    assert Journal(url).count() == acknowledged + 1
    assert (
        f"ml_journal_rows_total {float(acknowledged + 1)}"
        in httpx2.get(f"{server.url}/metrics").text
    )


def test_an_answer_whose_sync_fails_is_not_given(
    client: TestClient, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fdatasync

    def failing(file: int) -> None:
        synced.append(file)
        if len(synced) == 2:
            raise OSError(errno.EIO, "Input/output error")
        sync(file)

    monkeypatch.setattr(os, "fdatasync", failing)
    answers = [client.post("/predict", json=row) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 503, 200]
    assert "Input/output error" in answers[1].json()["detail"][0]["msg"]
    assert len(synced) == 3  # one for each answer
    kept = {p.prediction_id for p in Journal().predictions()}
    assert {answers[i].json()["prediction_id"] for i in (0, 2)} <= kept


def test_another_writer_keeps_nobody_but_writers_waiting(start: Start, row: dict[str, Any]) -> None:
    server = start()
    lock = (Path("serving") / "journal.db.lock").open()
    fcntl.flock(lock, fcntl.LOCK_EX)  # as a long `ml label` or `ml journal prune` does
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx2.post, f"{server.url}/predict", json=row, timeout=60)
        asyncio.run(waiting_inside(server.url, 1))
        assert httpx2.get(f"{server.url}/health/ready", timeout=60).status_code == 200
        assert not waiting.done()
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert waiting.result().status_code == 200
    lock.close()
    assert Journal().count() == 1

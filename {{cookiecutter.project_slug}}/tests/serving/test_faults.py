"""What a loaded server promises while things go wrong: killed, stopped, swapped, out of disk."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
import pytest
from starlette.testclient import TestClient

from ml.bundle import load_bundle
from ml.journal.store import Journal
from tests.serving.conftest import CLASSIFICATION, Start, point, sample_rows, seal, waiting_inside
from tests.serving.load import Load, answer, request

ROWS = sample_rows(CLASSIFICATION, 50)
KILLS = 30


def under_load(url: str, during: Callable[[Load], Awaitable[None]], connections: int = 16) -> Load:
    """The load that ran while `during` did its mischief."""
    load = Load(url, ROWS, connections)

    async def both() -> None:
        running = asyncio.create_task(load.run())
        await during(load)
        load.stopped = True
        await running

    asyncio.run(both())
    return load


async def answered(load: Load, count: int) -> None:
    """Return when so many requests are answered: how long that takes is the machine's affair."""
    while len(load.answers) < count:
        await asyncio.sleep(0.002)


def expected(project: Path, version: str) -> list[dict[str, float]]:
    """What a version answers to ROWS."""
    bundle = load_bundle(project / "serving/releases" / version)
    return [
        dict(zip(CLASSIFICATION.target.classes, row, strict=True))
        for row in bundle.answer(bundle.encoder.rows(ROWS)).tolist()
    ]


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
def test_a_hundred_swaps_drop_nothing_and_every_answer_is_its_models(
    start: Start, project: Path
) -> None:
    server = start()
    memory = psutil.Process(server.process.pid).memory_info
    grown: list[int] = []

    async def swap(load: Load) -> None:
        for turn in range(100):
            version = str(1 + (turn + 1) % 3)
            point(project, version)
            answered = len(load.answers)
            while not any(a["model_version"] == version for a in load.answers[answered:]):
                answered = max(answered, len(load.answers) - 100)
                await asyncio.sleep(0.01)
            grown.append(memory().rss)

    load = under_load(server.url, swap, connections=4)
    models = {version: expected(project, version) for version in ("1", "2", "3")}
    assert load.refused == []
    assert load.broken == 0
    assert {a["model_version"] for a in load.answers} == {"1", "2", "3"}
    for sent, answered in zip(load.sent, load.answers, strict=True):
        given, right = answered["probabilities"], models[answered["model_version"]][sent]
        assert all(np.float32(given[name]) == np.float32(right[name]) for name in right)
    assert grown[-1] - grown[4] < 50e6
    metrics = httpx2.get(f"{server.url}/metrics").text
    assert f'ml_requests_total{{status="200"}} {float(len(load.answers))}' in metrics
    assert Journal().count() == len(load.answers)


@pytest.mark.slow
def test_stopped_under_load_it_answers_what_it_accepted(start: Start) -> None:
    server = start()
    ready: list[int] = []

    async def stop(load: Load) -> None:
        await answered(load, 100)
        async with httpx2.AsyncClient(base_url=server.url, timeout=60) as client:
            ready.append((await client.get("/health/ready")).status_code)
            server.process.terminate()
            while server.process.poll() is None:
                try:
                    ready.append((await client.get("/health/ready")).status_code)
                except httpx2.TransportError:
                    break
        server.process.wait()

    load = under_load(server.url, stop)
    assert server.process.returncode == 0
    assert load.broken == 0
    assert load.refused == []
    assert 503 in ready  # readiness went while the port still answered
    assert Journal().count() == len(load.answers)


@pytest.mark.slow
def test_a_worker_that_is_stopped_alone_answers_what_it_accepted(start: Start) -> None:
    server = start("--workers", "2")

    async def stop(load: Load) -> None:
        while len(load.answers) < 200:
            await asyncio.sleep(0.05)
        children = psutil.Process(server.process.pid).children()
        worker = next(p for p in children if "--multiprocessing-fork" in p.cmdline())
        worker.terminate()
        while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.05)
        answered = len(load.answers)
        while len(load.answers) < answered + 100:
            await asyncio.sleep(0.05)

    load = Load(server.url, ROWS, 16, reconnect=True)

    async def both() -> None:
        running = asyncio.create_task(load.run())
        await asyncio.wait_for(stop(load), 300)
        load.stopped = True
        await running

    asyncio.run(both())
    assert load.broken == 0
    assert load.refused == []
    assert Journal().count() == len(load.answers)


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux", reason="closing a listener resets what it has not accepted"
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_stopped_while_clients_connect_it_resets_none(start: Start, workers: str) -> None:
    server = start("--workers", workers)
    host, port = server.url.removeprefix("http://").split(":")
    answered: list[str] = []
    refused: list[int] = []

    async def client(number: int) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                refused.append(number)
                return
            writer.write(request(ROWS[number]))
            # fails when it is reset
            answered.append(json.loads((await answer(reader))[2])["prediction_id"])
            writer.close()

    async def run() -> None:
        clients = [asyncio.create_task(client(number)) for number in range(48)]
        while len(answered) <= 100:
            await asyncio.sleep(0.01)
        server.process.terminate()
        await asyncio.gather(*clients)

    asyncio.run(run())
    server.process.wait(120)
    assert server.process.returncode == 0
    assert len(answered) > 100
    assert len(refused) == 48
    assert sorted(p.prediction_id for p in Journal().predictions()) == sorted(answered)


def _half_written(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _bad_hash(folder: Path) -> None:
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-100])


def _wrong_answers(folder: Path) -> None:
    shutil.copy(folder.parent / "1" / "model.onnx", folder)
    seal(folder, folder.name)


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [_half_written, _bad_hash, _wrong_answers])
def test_a_broken_bundle_leaves_the_old_one_serving(
    start: Start, project: Path, spoil: Callable[[Path], None], row: dict[str, Any]
) -> None:
    server = start()
    spoil(project / "serving/releases/2")
    point(project, "2")
    failures = _until(
        lambda: "ml_bundle_failures_total 1.0" in httpx2.get(f"{server.url}/metrics").text
    )
    assert failures
    assert httpx2.post(f"{server.url}/predict", json=row).json()["model_version"] == "1"
    assert httpx2.get(f"{server.url}/health/ready").json()["version"] == "1"
    point(project, "3")
    assert _until(lambda: httpx2.get(f"{server.url}/health/ready").json()["version"] == "3")
    assert "the model before goes on serving" in server.stop()


def _until(true: Callable[[], bool], seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False


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

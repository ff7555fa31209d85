"""Several workers behind one port."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import psutil
import pytest

from ml.journal.store import Journal
from tests.serving.conftest import Running, Start

Row = dict[str, Any]


def workers_of(server: Running) -> list[psutil.Process]:
    return [
        p
        for p in psutil.Process(server.process.pid).children()
        if "--multiprocessing-fork" in p.cmdline()
    ]


def held(server: Running) -> list[int]:
    """Connections of each worker."""
    port = int(server.url.rsplit(":", 1)[1])
    return [sum(c.laddr.port == port for c in p.net_connections("tcp")) for p in workers_of(server)]


@pytest.mark.slow
def test_workers_share_port_journal_and_metrics(start: Start, row: Row) -> None:
    server = start("--workers", "2")
    ids = {
        httpx2.post(f"{server.url}/predict", json=row).json()["prediction_id"] for _ in range(40)
    }
    metrics = httpx2.get(f"{server.url}/metrics").text
    assert 'ml_requests_total{status="200"} 40.0' in metrics
    server.stop()
    assert server.process.returncode == 0
    assert {p.prediction_id for p in Journal().predictions()} == ids


@pytest.mark.slow
def test_connections_are_dealt_out_in_turn(start: Start, row: Row) -> None:
    server = start("--workers", "2")
    clients: list[httpx2.Client] = []

    def connect(n: int) -> list[int]:
        for _ in range(n):
            clients.append(httpx2.Client(base_url=server.url))
            assert clients[-1].post("/predict", json=row).status_code == 200
        return held(server)

    until = time.monotonic() + 60
    # one worker is ready before the other
    while min(before := connect(1)) == 0 and time.monotonic() < until:
        time.sleep(0.1)
    after = connect(10)
    for client in clients:
        client.close()
    assert [a - b for a, b in zip(after, before, strict=True)] == [5, 5]


@pytest.mark.slow
def test_a_worker_that_ends_is_replaced(start: Start, row: Row) -> None:
    server = start("--workers", "2")
    children = workers_of(server)
    children[0].kill()
    children[0].wait()
    for _ in range(50):
        try:
            assert httpx2.post(f"{server.url}/predict", json=row).status_code == 200
        except httpx2.TransportError:
            continue
    assert "starting another" in server.stop()

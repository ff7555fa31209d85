"""Stopped under load, a server answers what it has accepted."""

from __future__ import annotations

import asyncio
import json
import socket
import sys

import httpx2
import psutil
import pytest

from ml.journal.store import Journal
from ml.serving.process import drain
from ml.serving.process.drain import ALL_HOPS, lift_hop_limit, limit_hops
from tests.serving.conftest import Start
from tests.serving.load import LOAD_ROWS, Load, answer, answered, request, under_load


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

    load = Load(server.url, LOAD_ROWS, 16, reconnect=True)

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
            writer.write(request(LOAD_ROWS[number]))
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


@pytest.mark.skipif(sys.platform != "linux", reason="the socket's option is Linux's")
def test_without_a_filter_the_listener_takes_no_new_connection_and_loses_none() -> None:
    """In a container without CAP_NET_ADMIN newer kernels refuse the filter (EPERM).

    `docker stop` reset requests there: a listener that closes resets what it has not accepted.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begun = socket.create_connection(listener.getsockname())
        limit_hops(listener, ALL_HOPS)
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), timeout=0.3)
        accepted, _ = listener.accept()
        begun.sendall(b"a")
        assert accepted.recv(1) == b"a"
        # one that is completed now would inherit the limit
        limit_hops(accepted, ALL_HOPS)
        begun.sendall(b"b")
        accepted.settimeout(0.1)
        with pytest.raises(TimeoutError):
            accepted.recv(1)
        lift_hop_limit(accepted.fileno())
        accepted.settimeout(30)
        assert accepted.recv(1) == b"b"
        accepted.close()
        begun.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the socket's option is Linux's")
def test_a_filter_that_is_refused_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_listener: socket.socket) -> None:
        raise PermissionError

    monkeypatch.setattr(drain, "attach_filter", refused)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        drain.stop_accepting(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), timeout=0.3)

"""A rolling update, rehearsed with real servers behind a real proxy: no request fails.

The proxy does what a Kubernetes Service does: it sends each new connection to a server whose
readiness probe passes, and learns from the next probe that one goes.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from ml.journal.store import Journal
from tests.serving.conftest import Running, Start
from tests.serving.load import LOAD_ROWS, Load, answered

PROBE_SECONDS = 0.1  # every; two in ten seconds would take longer to tell and no more to answer


class Proxy:
    """Connections, passed on in turn to the servers that are ready."""

    def __init__(self) -> None:
        self.servers: list[Running] = []
        self.ready: list[Running] = []
        self._turns: Iterator[int] = count()
        self.passing: set[asyncio.Task[Any]] = set()  # connections that are passed on

    async def probe(self) -> None:
        """Look again and again which servers are ready."""
        async with httpx2.AsyncClient(timeout=2) as client:
            while True:
                found = [s for s in self.servers if await _is_ready(client, s)]
                self.ready = found
                await asyncio.sleep(PROBE_SECONDS)

    async def until_ready(self, server: Running) -> None:
        """Return when connections go to a server."""
        self.servers.append(server)
        while server not in self.ready:
            await asyncio.sleep(PROBE_SECONDS)

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass a client's connection on."""
        task = asyncio.current_task()
        assert task is not None
        self.passing.add(task)
        task.add_done_callback(self.passing.discard)
        server = self.ready[next(self._turns) % len(self.ready)]
        parts = urlsplit(server.url)
        theirs, ours = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(_copy(reader, ours), _copy(theirs, writer))


async def _is_ready(client: httpx2.AsyncClient, server: Running) -> bool:
    with suppress(httpx2.TransportError):
        return (await client.get(f"{server.url}/health/ready")).status_code == 200
    return False


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes from one side to the other until the side ends."""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.slow
def test_no_request_fails_while_every_server_is_replaced(start: Start) -> None:
    """As the Deployment says: one more (maxSurge 1), none less (maxUnavailable 0)."""
    old = [start(), start()]
    proxy, load = Proxy(), Load("", LOAD_ROWS, connections=8, reconnect=True)

    async def update() -> None:
        probing = asyncio.create_task(proxy.probe())
        listening = await asyncio.start_server(proxy.connect, "127.0.0.1", 0)
        load.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        for server in old:
            await proxy.until_ready(server)
        running = asyncio.create_task(load.run())
        await answered(load, 100)
        for server in old:
            new = await asyncio.to_thread(start, env={"ML_BUNDLE": "serving/releases/2"})
            await proxy.until_ready(new)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(server.process.wait, 120)
            proxy.servers.remove(server)
            await answered(load, len(load.answers) + 100)
        load.stopped = True
        await running
        listening.close()
        await asyncio.gather(*proxy.passing)
        probing.cancel()
        with suppress(asyncio.CancelledError):
            await probing

    asyncio.run(update())
    assert (load.broken, load.refused) == (0, [])
    assert [server.process.returncode for server in old] == [0, 0]
    assert {answer["model_version"] for answer in load.answers} == {"1", "2"}
    assert {answer["model_version"] for answer in load.answers[-50:]} == {"2"}
    ids = {answer["prediction_id"] for answer in load.answers}
    assert ids == {p.prediction_id for p in Journal().predictions()}

"""Three replicas on one PostgreSQL journal behind a proxy: what is acknowledged is kept, once.

Meanwhile one of them is killed, the release is swapped on one after the other, all of them
stall for a second, PostgreSQL is restarted, and at the end its standby takes over.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import psutil
import pytest

from ml.journal.store import Journal
from tests.journal.postgresql import Database, needs_postgresql
from tests.serving.conftest import Running, Start, free_port, wait_ready
from tests.serving.load import Load, answered, under_load
from tests.serving.replicas import needs_haproxy, proxied

CONNECTIONS = 12
A_WHILE = 150  # answers
STALLED = 0.5  # seconds, more than two intervals of the proxy's checks

pytestmark = [pytest.mark.slow, needs_postgresql, needs_haproxy]


@pytest.fixture
def servers() -> Iterator[tuple[Database, Database]]:
    """A primary, and a standby without which it acknowledges nothing."""
    with (
        tempfile.TemporaryDirectory(prefix="pg") as first,
        tempfile.TemporaryDirectory(prefix="pg") as second,
    ):
        primary = Database(Path(first), free_port())
        primary.start(**SYNCHRONOUS)
        standby = Database(Path(second), free_port(), primary)
        standby.start(**STANDBY)
        yield primary, standby
        standby.stop("immediate")


SYNCHRONOUS = {"synchronous_standby_names": "*"}
STANDBY = {"wal_retrieve_retry_interval": "100ms"}  # 5 s unless set: so long it looks away


def address(*databases: Database) -> str:
    """Of whichever of them may be written to."""
    hosts = "&".join(f"host=127.0.0.1:{database.port}" for database in databases)
    return f"postgresql+psycopg://postgres@/postgres?{hosts}&target_session_attrs=read-write"


class Replicas:
    """Three servers, each with a champion of its own."""

    def __init__(self, start: Start, project: Path, journal: str) -> None:
        self._start, self._serving, self._journal = start, project / "serving", journal
        self.running: list[Running] = []
        for name in ("a", "b", "c"):
            self.point(name, "1")
            self.running.append(self.run(name, free_port()))
        for server in self.running:
            wait_ready(server)

    def point(self, name: str, version: str) -> None:
        """Release a version to one of them."""
        link = self._serving / f"{name}.new"
        link.symlink_to(Path("releases") / version)
        link.replace(self._serving / name)

    def run(self, name: str, port: int) -> Running:
        """Start one of them."""
        env = {"ML_BUNDLE": f"serving/{name}", "JOURNAL_URL": self._journal}
        server = self._start("--port", str(port), env=env, ready=False)
        server.url = f"http://127.0.0.1:{port}"
        return server


async def go_on(load: Load) -> int:
    """Let some more be answered; how many requests got no answer so far.

    Where a replica dies the proxy answers 502, or closes the client's connection if that one had
    been answered before: then the client may try again at once.
    """
    await answered(load, len(load.answers) + A_WHILE)
    assert set(load.refused) <= {502}
    return len(load.refused) + load.broken


def send(server: Running, number: signal.Signals) -> None:
    """Send a signal to all processes of a server."""
    parent = psutil.Process(server.process.pid)
    for process in [*parent.children(recursive=True), parent]:
        os.kill(process.pid, number)


def kill(server: Running) -> None:
    """End a server's processes as a lost machine would."""
    send(server, signal.SIGKILL)
    server.process.wait()


async def stall(servers: list[Running], url: str) -> None:
    """No replica runs for a moment, as on a machine or a disk that is busy with something else.

    The proxy has a client that comes meanwhile wait as well.
    """
    for server in servers:
        send(server, signal.SIGSTOP)
    await asyncio.sleep(STALLED)
    async with httpx2.AsyncClient(timeout=10) as client:
        newcomer = asyncio.create_task(client.get(f"{url}/health/ready"))
        await asyncio.sleep(STALLED)
        for server in servers:
            send(server, signal.SIGCONT)
        assert (await newcomer).status_code == 200


async def swapped(url: str, version: str) -> None:
    """Return when a server answers with a version."""
    async with httpx2.AsyncClient(timeout=10) as client:
        while (await client.get(f"{url}/model")).json()["version"] != version:
            await asyncio.sleep(0.05)


def test_what_is_acknowledged_is_kept_once(
    start: Start, project: Path, servers: tuple[Database, Database]
) -> None:
    primary, standby = servers
    replicas = Replicas(start, project, address(primary, standby))
    lost: dict[str, int] = {}

    async def scenario(load: Load) -> None:
        lost["load"] = await go_on(load)
        kill(replicas.running[0])
        lost["killed"] = await go_on(load)
        replicas.running[0] = replicas.run("a", int(replicas.running[0].url.rsplit(":")[-1]))
        await asyncio.to_thread(wait_ready, replicas.running[0])
        for name, server in zip("abc", replicas.running, strict=True):
            replicas.point(name, "2")
            await swapped(server.url, "2")
        lost["swapped"] = await go_on(load)
        await stall(replicas.running, load.url)
        lost["stalled"] = await go_on(load)
        await asyncio.to_thread(primary.stop)
        await asyncio.to_thread(lambda: primary.start(**SYNCHRONOUS))
        lost["restarted"] = await go_on(load)
        await asyncio.to_thread(primary.stop, "immediate")
        await asyncio.to_thread(standby.promote)
        lost["failed over"] = await go_on(load)

    with proxied([server.url for server in replicas.running]) as url:
        load = under_load(url, scenario, CONNECTIONS, reconnect=True)
    # the requests that were inside the killed replica, and nothing else
    dead = lost["killed"]
    assert dead <= CONNECTIONS
    assert lost == dict.fromkeys(lost, dead) | {"load": 0}
    acknowledged = [each["prediction_id"] for each in load.answers]
    assert len(acknowledged) == len(set(acknowledged)) >= 5 * A_WHILE
    with closing(Journal(address(standby))) as journal:
        kept = Counter(each.prediction_id for each in journal.predictions())
    assert not set(acknowledged) - set(kept)
    assert max(kept.values()) == 1
    assert {each["model_version"] for each in load.answers} == {"1", "2"}

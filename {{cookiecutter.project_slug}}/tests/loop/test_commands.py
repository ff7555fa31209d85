"""`ml loop` as it is typed, and on a schedule that a test shortens."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest

from ml.errors import UserError
from ml.loop import commands
from ml.monitoring import heartbeat
from tests.conftest import commit, ml
from tests.loop.traffic import BEGIN, HOUR, rows, serve

pytestmark = pytest.mark.slow
TO_NOW = str(402.0)  # days: from before the first window of the traffic on


class StoppedError(Exception):
    """Ends a watch after its first pass."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_pass_as_it_is_typed(project: Path) -> None:
    commit(project, "released")
    assert ml(project, "loop", ok=False).returncode == 2  # no journal yet
    serve(0, rows(300, 1))
    done = ml(project, "loop", "--days", TO_NOW, ok=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("verdict ok: nothing: no loss is shown")
    few = ml(project, "loop", "--days", "1", ok=False)
    assert few.returncode == 4, few.stdout
    beat = json.loads(heartbeat.FILE.read_text(encoding="utf-8"))
    assert beat["action"] == "nothing"
    assert beat["next_at"] is None


def test_a_watch_shows_its_passes_and_survives_a_failure(project: Path) -> None:
    commit(project, "released")
    port, waits, shown = free_port(), list[float](), list[str]()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            serve(0, rows(300, 1))  # the first pass found no journal
            return
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            shown.append(answer.read().decode())
        raise StoppedError

    with pytest.raises(StoppedError):
        commands.watch(float(TO_NOW), port, sleep)
    assert "ml_loop_failures_total 1.0" in shown[-1]
    assert 'ml_loop_passes_total{action="nothing"} 1.0' in shown[-1]
    assert waits[0] == pytest.approx(24 * HOUR, abs=120)
    assert heartbeat.stopped(BEGIN) is None
    with pytest.raises(UserError, match=f"--port {port}"):
        commands.watch(None, port, sleep)

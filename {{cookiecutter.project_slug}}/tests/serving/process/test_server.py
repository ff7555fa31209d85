"""The server as a process: it starts, refuses to start, answers, and ends."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ml.journal.store import Journal
from tests.serving.conftest import Start

Row = dict[str, Any]
KEY = "a-key-of-this-test"


def test_it_answers_and_ends_with_status_0(start: Start, row: Row) -> None:
    server = start()
    answer = httpx2.post(f"{server.url}/predict", json=row)
    assert answer.status_code == 200
    output = server.stop()
    assert server.process.returncode == 0
    assert server.url in output
    assert "next:" in output
    assert [p.prediction_id for p in Journal().predictions()] == [answer.json()["prediction_id"]]


@pytest.mark.slow
def test_stopping_while_workers_begin_is_an_orderly_end(start: Start) -> None:
    server = start("--workers", "2", ready=False)
    assert server.process.stderr is not None
    # told when the workers are made, not ready
    assert server.process.stderr.readline().startswith("serving ")
    server.stop()
    assert server.process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "env", "says"),
    [
        (("--host", "0.0.0.0"), {}, "beyond this machine the service needs API keys"),  # noqa: S104
        ((), {"ML_BUNDLE": "nowhere"}, "nowhere: there is no released model here"),
        (("--workers", "2"), {"ML_BUNDLE": "nowhere"}, "nowhere: there is no released model here"),
        ((), {"JOURNAL_URL": "nonsense"}, "JOURNAL_URL"),
        (
            (),
            {"JOURNAL_URL": "sqlite:////proc/none/journal.db"},
            "JOURNAL_URL sqlite:////proc/none/journal.db",
        ),
    ],
)
def test_it_refuses_to_start_and_says_why(
    start: Start, options: tuple[str, ...], env: dict[str, str], says: str
) -> None:
    server = start(*options, env=env, ready=False)
    output = server.process.communicate(timeout=120)[1]
    assert server.process.returncode == 2
    assert says in output
    assert "next:" in output
    assert "Traceback" not in output


def test_a_taken_port_is_refused(start: Start) -> None:
    with socket.socket() as taken:
        # even where another would share it
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = start("--port", str(taken.getsockname()[1]), ready=False)
        output = server.process.communicate(timeout=120)[1]
    assert server.process.returncode == 2
    assert "Address already in use" in output


@pytest.mark.slow
def test_two_servers_that_begin_together_are_one_and_an_error(start: Start) -> None:
    with socket.socket() as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        server = start("--workers", "2", "--port", str(port), ready=False)
        assert server.process.stderr is not None
        # bound beside the first, which now listens
        assert server.process.stderr.readline().startswith("serving ")
        first.listen()
        output = server.process.communicate(timeout=120)[1]
    assert server.process.returncode == 2
    assert f"--port {port}: Address already in use" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_with_a_key_it_may_listen_everywhere(start: Start, row: Row) -> None:
    server = start("--host", "0.0.0.0", env={"ML_API_KEYS": KEY})  # noqa: S104
    assert httpx2.post(f"{server.url}/predict", json=row).status_code == 401
    assert (
        httpx2.post(f"{server.url}/predict", json=row, headers={"X-API-Key": KEY}).status_code
        == 200
    )
    server.stop()


def test_the_server_imports_nothing_heavy(start: Start, row: Row) -> None:
    server = start()
    assert httpx2.post(f"{server.url}/predict", json=row).status_code == 200
    mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "onnxruntime" in mapped
    assert not re.findall("/(?:pandas|sklearn|pyarrow|scipy|mlflow)/", mapped)

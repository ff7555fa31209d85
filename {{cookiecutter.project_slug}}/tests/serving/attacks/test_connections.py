"""A client without a key makes the service neither store what it sends nor keep what it opens."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ml.errors import UserError
from ml.params import load_params
from tests.serving.conftest import (
    CLASSIFICATION,
    HOME,
    Running,
    Start,
    free_port,
    sample_rows,
    wait_ready,
)
from tests.serving.protocols import INFER

LIMITS = {
    "max_body_bytes: 16000000": "max_body_bytes: 1000000",
    "max_held_bytes: 64000000": "max_held_bytes: 1000000",
    "max_connections: 4096": "max_connections: 60",
    "deadline_seconds: 10": "deadline_seconds: 1.5",
}
OPEN = ("/", "/docs", "/health/live", "/health/ready", "/health/x", "/v2/health/live")


@pytest.fixture(scope="module")
def server(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with small limits."""
    folder, port = tmp_path_factory.mktemp("project"), free_port()
    shutil.copy(HOME / "params.yaml", folder)
    limit(folder, LIMITS)
    environment = {
        **os.environ,
        "PYTHONPATH": str(HOME),
        "ML_BUNDLE": str(releases / "1"),
        "JOURNAL_URL": f"sqlite:///{folder}/journal.db",
    }
    command = [sys.executable, "-m", "ml", "serve", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    running = Running(process, f"http://127.0.0.1:{port}")
    wait_ready(running, 60)
    yield running
    running.stop()


def limit(project: Path, changes: dict[str, str]) -> None:
    """Change params.yaml."""
    params = (project / "params.yaml").read_text()
    for old, new in changes.items():
        assert old in params
        params = params.replace(old, new)
    (project / "params.yaml").write_text(params)


def connect(server: Running) -> socket.socket:
    """A connection to it."""
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def until_closed(connection: socket.socket) -> bytes:
    """All that the server sends before it closes the connection."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


def send_until_closed(connection: socket.socket, piece: bytes, most: int) -> int:
    """Send a piece every tenth of a second while the other side reads; returns how often."""
    for tried in range(most):
        try:
            connection.send(piece)
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            return tried
        time.sleep(0.1)
    return most


def head(path: str = "/predict", length: int = 1_000_000) -> bytes:
    """The head of a request that posts JSON."""
    lines = (f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json")
    return "\r\n".join([*lines, f"content-length: {length}", "", ""]).encode()


@pytest.mark.parametrize("path", OPEN)
def test_an_open_path_reads_no_body(server: Running, path: str) -> None:
    """Each read 16 MB without a deadline: 40 half bodies took 570 MB, unanswered after 25 s."""
    with closing(connect(server)) as connection:
        connection.sendall(head(path) + b"x" * 1000)  # and nothing more
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nallow: GET, HEAD\r\n" in answer
    assert b"\r\nconnection: close\r\n" in answer


@pytest.mark.parametrize("path", OPEN)
def test_head_answers_as_get_without_the_body(server: Running, path: str) -> None:
    """HEAD got 405 before."""
    with closing(connect(server)) as connection:
        connection.sendall(
            f"HEAD {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode()
        )
        received = until_closed(connection)
    asked = httpx2.get(server.url + path)
    assert received.startswith(f"HTTP/1.1 {asked.status_code} ".encode())
    assert f"content-length: {asked.headers['content-length']}".encode() in received
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [("1.1", 0, 400), ("1.1", 1, 200), ("1.1", 2, 400), ("1.0", 0, 200), ("1.0", 2, 400)],
)
def test_a_request_names_one_host(server: Running, version: str, hosts: int, status: int) -> None:
    """None and two were accepted before: a proxy may take another of the two than the service."""
    with closing(connect(server)) as connection:
        lines = [
            f"GET /health/live HTTP/{version}",
            *["host: localhost"] * hosts,
            "connection: close",
            "",
            "",
        ]
        connection.sendall("\r\n".join(lines).encode())
        assert until_closed(connection).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(
    "piece", [b"x-a: %s\r\n" % (b"a" * 70_000), b"a" * 70_000, b"a: b\r\n" * 12_000]
)
def test_a_head_has_a_size(server: Running, piece: bytes) -> None:
    """80 MB of headers were taken before; now 431 after at most 64 kB, and those of one read."""
    with closing(connect(server)) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n")
        sent = 0
        try:
            while sent < 80_000_000:
                sent += connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert sent < 40_000_000  # what buffers of the system hold
    with closing(connect(server)) as connection:  # a whole one
        connection.sendall(
            b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-a: %s\r\n\r\n" % (b"a" * 70_000)
        )
        assert until_closed(connection).startswith(b"HTTP/1.1 431 ")
    with closing(connect(server)) as connection:
        connection.sendall(
            b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-a: %s\r\n\r\n"
            % (b"a" * 60_000)
        )
        assert until_closed(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("begin", "answer"),
    [
        (b"", b""),
        (b"GET /health/live HTTP/1.1\r\nhos", b"HTTP/1.1 408 "),
        # idle afterwards
        (b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 200 "),
        (head() + b"{", b"HTTP/1.1 503 "),
        (head("/labels") + b"{", b"HTTP/1.1 503 "),
        (head(INFER) + b"{", b"HTTP/1.1 503 "),
        (head("/nowhere") + b"{", b"HTTP/1.1 404 "),
    ],
)
def test_no_connection_waits_for_ever(server: Running, begin: bytes, answer: bytes) -> None:
    """1,800 silent or half connections lived for ever before."""
    with closing(connect(server)) as connection:
        connection.sendall(begin)
        assert until_closed(connection).startswith(answer)


def test_empty_lines_do_not_keep_a_connection(server: Running) -> None:
    """The parser skips them, and each one put the end off before."""
    with closing(connect(server)) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert send_until_closed(connection, b"\r\n", 200) < 200


def test_who_takes_no_answer_is_cut_off(server: Running) -> None:
    """A client that asked for pages and read none kept its connection and the pages for ever."""
    with closing(connect(server)) as connection:
        connection.setblocking(False)
        assert (
            send_until_closed(connection, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n" * 100, 200)
            < 200
        )


def silent(server: Running, n: int) -> Iterator[socket.socket]:
    """Connections that say nothing."""
    for _ in range(n):
        yield connect(server)


def dropped(server: Running) -> float:
    """How many connections made room, as the metrics say."""
    counter = re.search(
        r"^ml_connections_dropped_total (\S+)$",
        httpx2.get(f"{server.url}/metrics").text,
        re.MULTILINE,
    )
    assert counter is not None
    return float(counter[1])


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_probe_is_answered_whatever_is_open(
    start: Start, project: Path, row: dict[str, Any], workers: str
) -> None:
    """At the limit of open files /health/live had no answer, and no line was logged."""
    limit(project, {**LIMITS, "deadline_seconds: 10": "deadline_seconds: 60"})
    server = start("--workers", workers, ready=False)
    wait_ready(server, 60)
    assert dropped(server) == 0
    with ExitStack() as stack:
        for connection in silent(server, 300):
            stack.enter_context(closing(connection))
        for _ in range(20):
            assert httpx2.get(f"{server.url}/health/live", timeout=5).status_code == 200
            assert httpx2.post(f"{server.url}/predict", json=row, timeout=5).status_code == 200
        assert dropped(server) > 100
    received = [json.loads(line) for line in server.stop().splitlines() if line.startswith('{"at"')]
    logged = [line for line in received if "connections are open" in line["message"]]
    assert 1 <= len(logged) <= int(workers)  # at most one each minute for each worker that was full


def test_large_bodies_share_a_room_and_small_ones_pass(
    server: Running, row: dict[str, Any]
) -> None:
    """40 half bodies of 16 MB took 570 MB before; now `max_held_bytes`, and rows are answered."""
    large = json.dumps(sample_rows(CLASSIFICATION, 2000)).encode()
    with ExitStack() as stack:
        halves = [stack.enter_context(closing(connection)) for connection in silent(server, 6)]
        for half in halves:
            half.sendall(head(length=900_000) + b" " * 400_000)
        statuses = [until_closed(half).split(b" ", 2)[1] for half in halves[2:]]
        assert statuses == [b"503"] * 4
    assert httpx2.post(f"{server.url}/predict", json=row).status_code == 200
    headers = {"content-type": "application/json"}
    # it is free again
    assert httpx2.post(f"{server.url}/predict", content=large, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/labels", INFER])
def test_what_is_announced_alone_takes_no_room(server: Running, path: str) -> None:
    """Eight clients that announce the largest body and send nothing lock nobody out."""
    large = json.dumps(sample_rows(CLASSIFICATION, 2000)).encode()
    with ExitStack() as stack:
        for connection in silent(server, 8):
            stack.enter_context(closing(connection)).sendall(head(path) + b"[")
        headers = {"content-type": "application/json"}
        assert (
            httpx2.post(f"{server.url}/predict", content=large, headers=headers).status_code == 200
        )


def test_a_body_must_fit_into_the_room(project: Path) -> None:
    """A limit of bytes under `max_body_bytes` would refuse such a body for ever."""
    limit(project, {"max_held_bytes: 64000000": "max_held_bytes: 1000"})
    with pytest.raises(UserError, match=r"serve\.max_held_bytes: .*less than max_body_bytes"):
        load_params(project / "params.yaml")

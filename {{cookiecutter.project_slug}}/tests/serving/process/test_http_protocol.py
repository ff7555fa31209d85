"""HTTP on the wire: an answer is one write, and nothing that a client may do holds one back."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any, cast

import pytest

from ml.serving.process.http_protocol import WholeAnswers
from tests.serving.conftest import Start
from tests.serving.load import request


class Wire:
    """The transport below: what was written, and whether it is closed."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        """Note it."""
        self.written.append(data)

    def close(self) -> None:
        """Note it."""
        self.closed = True


HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


@pytest.mark.parametrize(
    ("writes", "wire"),
    [
        ([HEAD, b"{}"], [HEAD + b"{}"]),
        ([HEAD, b""], [HEAD]),
        ([HEAD, b"{", b"}"], [HEAD + b"{", b"}"]),
        ([HEAD, HEAD], [HEAD + HEAD]),  # a body may look like a head
        (
            [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"{}"],
            [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"{}"],
        ),
        ([HEAD], [HEAD]),
    ],
)
def test_a_head_waits_for_what_follows_it(writes: list[bytes], wire: list[bytes]) -> None:
    below = Wire()
    transport = WholeAnswers(cast("Any", below))
    for data in writes:
        transport.write(data)
    transport.close()
    assert below.written == wire
    assert below.closed


@pytest.fixture
def connection(start: Start) -> Iterator[socket.socket]:
    """A connection to a running server."""
    host, port = start().url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as opened:
        yield opened


def heads(connection: socket.socket, n: int, bodies: bool = True) -> list[bytes]:
    """Status lines of the next n answers."""
    reader, status_lines = connection.makefile("rb"), []
    for _ in range(n):
        status_lines.append(reader.readline().strip())
        length = 0
        while (line := reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length"):
                length = int(line.split(b":")[1])
        if bodies:
            reader.read(length)
    return status_lines


def test_answers_without_a_body_arrive(connection: socket.socket) -> None:
    connection.sendall(b"HEAD /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert heads(connection, 1, bodies=False) == [b"HTTP/1.1 200 OK"]
    connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert heads(connection, 1) == [b"HTTP/1.1 200 OK"]


def test_who_waits_for_100_continue_gets_it_before_sending(
    connection: socket.socket, row: dict[str, Any]
) -> None:
    body = json.dumps(row).encode()
    lines = (
        "POST /predict HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        "expect: 100-continue",
    )
    connection.sendall("\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode())
    assert heads(connection, 1) == [b"HTTP/1.1 100 Continue"]
    connection.sendall(body)
    assert heads(connection, 1) == [b"HTTP/1.1 200 OK"]


def test_requests_that_do_not_wait_are_answered_in_order(
    connection: socket.socket, row: dict[str, Any]
) -> None:
    connection.sendall(
        request(row)
        + request({})
        + request(row)
        + b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n"
    )
    assert [head.split()[1] for head in heads(connection, 4)] == [b"200", b"422", b"200", b"404"]


def test_what_is_no_http_is_told(connection: socket.socket) -> None:
    connection.sendall(b"nonsense\r\n\r\n")
    assert heads(connection, 1)[0].startswith(b"HTTP/1.1 400")

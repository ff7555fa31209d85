"""uvicorn's HTTP protocol over a transport that sends an answer's head together with its body.

Two writes are two system calls and two packets, for us to send and for the client to read.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ml.serving.connections import Connections
from ml.serving.process.drain import lift_hop_limit

Fault = tuple[str, str, str]  # status, type and message of a refusal

# of a request's line and headers; where a head comes in pieces, the first is not counted
HEAD_BYTES = 65_536
NO_HTTP = ("400 Bad Request", "http", "this is no HTTP request")
HOST = ("400 Bad Request", "host", "send one Host header")
HEAD_TIMEOUT = ("408 Request Timeout", "head", "the head of the request did not come in time")
HEAD_TOO_LARGE = (
    "431 Request Header Fields Too Large",
    "head",
    f"a request's line and headers hold at most {HEAD_BYTES} bytes",
)
HEAD = b"HTTP/1.1 "
INTERIM = b"HTTP/1.1 1"  # 100 Continue: the client waits for it before there is a body


class WholeAnswers:
    """A transport that keeps the head of an answer back until its body follows.

    Args:
        transport: the connection's own.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, unless it is a head that something will follow."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(HEAD) and not data.startswith(INTERIM):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send a head that nothing follows, as to HEAD."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Send what is kept back, then close."""
        self.flush()
        self._transport.close()


def _refusal_of(fault: Fault) -> bytes:
    """The whole answer that refuses a request, after which the connection closes."""
    status, kind, msg = fault
    body = json.dumps({"detail": [{"type": kind, "loc": ["header"], "msg": msg}]})
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return f"{head}{body}".encode()


class Protocol(HttpToolsProtocol):
    """One client's connection.

    Args:
        open_connections: those of the worker, which this one joins.
        args, kwargs: uvicorn's.
    """

    def __init__(self, open_connections: Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open = open_connections
        self.waits_since: float | None = None
        self._unsent = 0  # bytes that the client had not taken at the last look
        self._head_begun = False
        self._head_bytes = 0  # of the chunks that continue a head
        self._chunk_bytes = 0
        self._fault = NO_HTTP

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to read requests."""
        if self._open.ending:
            lift_hop_limit(transport.get_extra_info("socket").fileno())
        super().connection_made(cast("asyncio.Transport", WholeAnswers(transport)))
        self.waits_since = self.loop.time()
        self._open.add(self, self.waits_since)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._open.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that is too large is refused before it is stored."""
        self._head_bytes = self._head_bytes + len(data) if self._head_begun else 0
        self._chunk_bytes = len(data)
        if self._head_bytes > HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
        else:
            super().data_received(data)

    def on_message_begin(self) -> None:
        """A request's first byte has come."""
        self._head_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A request's head has come: answer, unless it is faulty."""
        self._head_begun, self.waits_since = False, None
        if self._head_bytes + self._chunk_bytes > HEAD_BYTES and self._head_size() > HEAD_BYTES:
            self._fault = HEAD_TOO_LARGE
            raise ValueError  # the parser stops, and uvicorn calls send_400_response
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            self._fault = HOST
            raise ValueError
        super().on_headers_complete()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_response_complete(self) -> None:
        """Go on to the next request of this connection."""
        cast("WholeAnswers", self.transport).flush()
        super().on_response_complete()
        # None: pipelined
        self.waits_since = self.loop.time() if self.cycle.response_complete else None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's own words
        """Refuse what is no HTTP, or what `on_headers_complete` has found."""
        self._refuse(self._fault)

    def _refuse(self, fault: Fault) -> None:
        self.transport.write(_refusal_of(fault))
        self.transport.close()

    def close_if_stalled(self, now: float, patience: float) -> None:
        """Close the connection if its client keeps it waiting for `patience` seconds.

        It does so while it neither sends a head nor takes the bytes that are sent to it.
        """
        unsent = self.transport.get_write_buffer_size()
        if unsent and (unsent != self._unsent or self.waits_since is None):
            # the client takes its answer, or has stopped only since the last look
            self.waits_since = now
        self._unsent = unsent
        if self.waits_since is None or now - self.waits_since < patience:
            return
        if self._head_begun and not unsent:
            self._refuse(HEAD_TIMEOUT)
        self.drop()

    def drop(self) -> None:
        """Close the connection at once."""
        self.waits_since = None
        self.transport.abort()

"""uvicorn's HTTP protocol over a transport that sends an answer's head together with its body.

Two writes are two system calls and two packets, for us to send and for the client to read.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = b"HTTP/1.1 "
INTERIM = b"HTTP/1.1 1"  # 100 Continue: the client waits for it before there is a body


class WholeAnswers:
    """A transport that keeps a head back until something follows it.

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


class Protocol(HttpToolsProtocol):
    """One client's connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to read requests."""
        super().connection_made(cast("asyncio.Transport", WholeAnswers(transport)))

    def on_response_complete(self) -> None:
        """Go on to the next request of this connection."""
        cast("WholeAnswers", self.transport).flush()
        super().on_response_complete()

"""A load of single-row requests over keep-alive connections: what was acknowledged and what not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.serving.conftest import CLASSIFICATION, sample_rows

Head = dict[str, str]

LOAD_ROWS = sample_rows(CLASSIFICATION, 50)


@dataclass
class Load:
    """Requests sent without a pause until `stop`; a connection that breaks is opened anew.

    A connection that the server asks to close is opened again only if `reconnect` says so: where
    the whole server ends a balancer would have gone elsewhere by then.

    `answers` holds every 200's JSON, `refused` every other status, `broken` counts connections that
    ended while an answer was due (on a fresh connection that has not been idle, so it is the
    server's doing).
    """

    url: str
    rows: list[dict[str, Any]]
    connections: int = 16
    reconnect: bool = False
    answers: list[dict[str, Any]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)  # which row each of `answers` was asked with
    refused: list[int] = field(default_factory=list)
    broken: int = 0
    stopped: bool = False

    async def run(self) -> None:
        """Send until stopped."""
        await asyncio.gather(*(self._connection(i) for i in range(self.connections)))

    async def _connection(self, number: int) -> None:
        while not self.stopped:
            try:
                reader, writer = await asyncio.open_connection(
                    urlsplit(self.url).hostname, urlsplit(self.url).port
                )
            except OSError:  # nobody listens: not a lost answer
                await asyncio.sleep(0.01)
                continue
            try:
                await self._requests(reader, writer, number)
                if not self.reconnect:
                    return
            except (OSError, asyncio.IncompleteReadError):
                self.broken += 1
            finally:
                writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        while not self.stopped:
            number = (number + self.connections) % len(self.rows)
            writer.write(request(self.rows[number]))
            status, headers, body = await answer(reader)
            if status == 200:
                self.answers.append(json.loads(body))
                self.sent.append(number)
            else:
                self.refused.append(status)
            if headers.get("connection") == "close":
                return


def request(body: Any, path: str = "/predict") -> bytes:
    """An HTTP request that posts JSON."""
    data = json.dumps(body).encode()
    lines = (
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(data)}",
    )
    return "\r\n".join([*lines, "", ""]).encode() + data


async def answer(reader: asyncio.StreamReader) -> tuple[int, Head, bytes]:
    """Status, headers and body of one HTTP answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    return (
        int(head[0].split()[1]),
        headers,
        await reader.readexactly(int(headers["content-length"])),
    )


def under_load(
    url: str,
    during: Callable[[Load], Awaitable[None]],
    connections: int = 16,
    reconnect: bool = False,
) -> Load:
    """The load that ran while `during` did something to the server."""
    load = Load(url, LOAD_ROWS, connections, reconnect)

    async def both() -> None:
        running = asyncio.create_task(load.run())
        await during(load)
        load.stopped = True
        await running

    asyncio.run(both())
    return load


async def answered(load: Load, count: int) -> None:
    """Return when so many requests are answered: how long that takes is the machine's affair."""
    while len(load.answers) < count:
        await asyncio.sleep(0.002)

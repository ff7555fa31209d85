"""The loop is open: a stall is counted for everybody who would have waited."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import numpy as np

from ml.load_test.sender import send

STALL = 1.0  # seconds
DUE = np.arange(200) / 100  # two seconds, a hundred a second
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Server:
    """Answers at once; when so many requests have come it answers nobody for `STALL` seconds."""

    def __init__(self, stall_at: int | None) -> None:
        self.stall_at, self.came, self.url = stall_at, 0, ""
        self.ready = threading.Event()

    async def run(self) -> None:
        self.loop, self.ended = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._talk, "127.0.0.1", 0) as listening:
            self.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            self.ready.set()
            await self.ended.wait()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.split(b"content-length: ")[1].split(b"\r\n")[0]
                await reader.readexactly(int(length))
                self.came += 1
                if self.came == self.stall_at:
                    time.sleep(STALL)  # the whole loop: nobody is accepted either
                writer.write(ANSWER)


@contextmanager
def server(stall_at: int | None) -> Iterator[str]:
    """The address of such a server, which ends after its clients."""
    made = Server(stall_at)
    thread = threading.Thread(target=lambda: asyncio.run(made.run()))
    thread.start()
    made.ready.wait()
    try:
        yield made.url
    finally:
        made.loop.call_soon_threadsafe(made.ended.set)
        thread.join()


def test_a_stall_is_counted_for_all_who_were_due() -> None:
    """A closed loop over one connection would have one slow answer of 200: its p99 is quick."""
    with server(stall_at=50) as url:
        sent = send(url, [b"{}"], DUE, {})
    assert (sent.status == 200).all()
    assert np.quantile(sent.latency, 0.99) > 0.8 * STALL
    # a hundred requests were due while nobody was answered; half of them waited half of it
    assert (sent.latency > STALL / 2).sum() >= 40


def test_every_body_is_sent_and_its_answer_counted() -> None:
    done: list[int] = []
    with server(stall_at=None) as url:
        sent = send(url, [b"{}", b'{"a": 1}'], DUE[:50], {"X-API-Key": "k"}, done.append)
    assert sum(done) == 50
    assert (sent.status == 200).all()
    assert (sent.latency >= sent.late).all()
    assert (sent.late >= 0).all()


def test_nobody_there_is_no_answer() -> None:
    with server(stall_at=None) as url:
        pass
    sent = send(url, [b"{}"], DUE[:10], {})
    assert (sent.status == 0).all()

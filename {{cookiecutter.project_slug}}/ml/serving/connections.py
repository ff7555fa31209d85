"""The open connections of a worker: how many there may be, how long a client may keep one waiting.

A connection waits when its client has to act: send the head of a request, or take what is sent to
it. One that waits for `deadline_seconds` is closed. When there are as many as may be, those that
have waited longest make room for new ones, so that a probe is answered whatever other clients hold
open.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import resource
from collections.abc import Callable
from typing import Protocol

SWEEP_SECONDS = 0.5  # between two looks for connections that wait too long
LOG_SECONDS = 60  # between two lines about the same lack of room
# of the open files that a process may have; the rest is for its own files and for bursts
FILES_SHARE = 0.75
HEALTH_RESERVE = 16  # connections that are left for probes when all requests are inside

log = logging.getLogger(__name__)


class Connection(Protocol):
    """A client's connection."""

    waits_since: float | None  # time of the event loop; None: the client waits for the server

    def close_if_stalled(self, now: float, patience: float) -> None:
        """Close it if it has waited longer than `patience` seconds."""

    def drop(self) -> None:
        """Close it at once."""


def limit_of(max_connections: int) -> int:
    """How many connections a worker holds, as far as its open files allow.

    Args:
        max_connections: 0: any number.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return max_connections or 1_000_000
    allowed = int(files * FILES_SHARE)
    return min(max_connections, allowed) if max_connections else allowed


class Connections:
    """The open connections.

    Args:
        limit: how many there may be.
        patience: seconds that one may wait for its client.
        dropped: called with how many were closed to make room.
    """

    def __init__(self, limit: int, patience: float, dropped: Callable[[int], None]) -> None:
        self.limit = limit
        self._patience = patience
        self._dropped = dropped
        self._open: set[Connection] = set()
        self.ending = False  # the listener begins no more
        self._logged = float("-inf")

    def add(self, connection: Connection, now: float) -> None:
        """Note a new one; where there are too many, close those that have waited longest."""
        self._open.add(connection)
        if len(self._open) > self.limit:
            self._make_room(now)

    def discard(self, connection: Connection) -> None:
        """It is closed."""
        self._open.discard(connection)

    def _make_room(self, now: float) -> None:
        longest = self._longest_waiting()
        for connection in longest:
            self._open.discard(connection)
            connection.drop()
        self._dropped(len(longest))
        self._log_fullness(now)

    def _longest_waiting(self) -> list[Connection]:
        """A sixteenth at once: to look for the one that has waited longest takes as long."""
        waiting = [(c.waits_since, id(c), c) for c in self._open if c.waits_since is not None]
        several = max(1, min(self.limit // 16, len(waiting) - 1))  # the new one is among them
        return [connection for _, _, connection in heapq.nsmallest(several, waiting)]

    def _log_fullness(self, now: float) -> None:
        if now - self._logged > LOG_SECONDS:
            self._logged = now
            log.warning(
                "%d connections are open, as many as this worker holds (serve.max_connections, "
                "limit of open files): those that have waited longest are closed",
                self.limit,
            )

    async def sweep(self) -> None:
        """Close connections that wait too long, forever."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in tuple(self._open):
                connection.close_if_stalled(now, self._patience)

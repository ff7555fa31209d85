"""Admission: how many requests a worker holds at once, how many bytes of their bodies, and for how long.

What it cannot hold is refused at once, before its body is read, so that those inside are answered
in time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ml.errors import refusal

# bytes from which reading and answering a body would hold up the event loop for milliseconds
LARGE_BODY = 32_000
SWEEP_SECONDS = 0.25  # between two looks for requests that are past their deadline

Task = asyncio.Task[Any]


class Admission:
    """The requests that are inside.

    Args:
        limit: how many there may be.
        max_bytes: of their large bodies, together; 0: any number.
        deadline: seconds after which one is given up, its body's arrival included.
        observe: told how many are inside, at every look.
    """

    def __init__(
        self, limit: int, max_bytes: int, deadline: float, observe: Callable[[int], None]
    ) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        # of large bodies; small ones are few because the requests are
        self._bytes: dict[Task, int] = {}
        self._held = 0
        self._deadline = deadline
        self._observe = observe
        self._inside: dict[Task, float] = {}
        self._overdue: set[Task] = set()

    def enter(self, task: Task, began: float) -> None:
        """Let a request in.

        Raises:
            RefusedError: there are too many inside.
        """
        if len(self._inside) >= self._limit:
            raise refusal(
                503,
                "overloaded",
                f"{self._limit} requests are being answered; try again",
                ("server",),
                Retry_After="1",
            )
        self._inside[task] = began

    def hold(self, task: Task, received: int) -> None:
        """Note that bytes of a large body have come. What is only announced is not counted: it costs nobody anything.

        Raises:
            RefusedError: there are too many.
        """
        if self._max_bytes and self._held + received > self._max_bytes:
            msg = f"bodies of {self._max_bytes} bytes are being read; try again"
            raise refusal(503, "overloaded", msg, ("server",), Retry_After="1")
        self._held += received
        self._bytes[task] = self._bytes.get(task, 0) + received

    def leave(self, task: Task) -> None:
        """The request is answered, refused or gone."""
        self._inside.pop(task, None)
        if self._bytes:
            self._held -= self._bytes.pop(task, 0)

    def timed_out(self, task: Task) -> bool:
        """Whether a cancelled request was cancelled by the deadline; it may then be answered after all."""
        if task not in self._overdue:
            return False
        self._overdue.discard(task)
        task.uncancel()
        return True

    async def sweep(self) -> None:
        """Count, and cancel requests past their deadline, forever.

        One sweep for all: a timer for each costs more than its row.
        """
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._observe(len(self._inside))
            late = time.perf_counter() - self._deadline
            for task in [task for task, began in self._inside.items() if began < late]:
                self._inside.pop(task, None)
                self._overdue.add(task)
                task.cancel()

"""Admission: how many requests a worker holds at once, how many bytes of bodies, and how long.

A request that it cannot hold is refused at once, before its body is read, so that those inside are
answered in time. A route with a body reads it and answers inside `with admission.slot(began)`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

from ml.errors import RefusedError, refusal

# bytes from which reading and answering a body would hold up the event loop for milliseconds
LARGE_BODY = 32_000
SWEEP_SECONDS = 0.25  # between two looks for requests that are past their deadline

Task = asyncio.Task[Any]


class Admission:
    """The requests that are inside.

    Args:
        limit: how many there may be.
        max_bytes: of their large bodies, together; 0: any number.
        deadline: seconds after which a request is cancelled, the arrival of its body included.
        observe: called with how many are inside, at every sweep.
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

    def slot(self, began: float) -> Slot:
        """A slot for the request that the current task answers.

        Args:
            began: when it came, by `time.perf_counter`.
        """
        return Slot(self, cast("Task", asyncio.current_task()), began)

    def enter(self, task: Task, began: float) -> None:
        """Let a request in.

        Raises:
            RefusedError: there are too many inside.
        """
        if len(self._inside) >= self._limit:
            raise overloaded(f"{self._limit} requests are being answered")
        self._inside[task] = began

    def hold(self, task: Task, received: int) -> None:
        """Count bytes of a large body that have arrived.

        Bytes that are only announced are not counted: they take no memory yet.

        Raises:
            RefusedError: there are too many.
        """
        if self._max_bytes and self._held + received > self._max_bytes:
            raise overloaded(f"bodies of {self._max_bytes} bytes are being read")
        self._held += received
        self._bytes[task] = self._bytes.get(task, 0) + received

    def leave(self, task: Task) -> None:
        """The request is answered, refused or gone."""
        self._inside.pop(task, None)
        if self._bytes:
            self._held -= self._bytes.pop(task, 0)

    def timed_out(self, task: Task) -> bool:
        """Whether the deadline has cancelled a request; its task may then still send a refusal."""
        if task not in self._overdue:
            return False
        self._overdue.discard(task)
        task.uncancel()
        return True

    async def sweep(self) -> None:
        """Count, and cancel requests past their deadline, forever.

        One sweep for all requests: a timer for each would cost more than answering its row.
        """
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._observe(len(self._inside))
            self._cancel_began_before(time.perf_counter() - self._deadline)

    def _cancel_began_before(self, moment: float) -> None:
        for task in [task for task, began in self._inside.items() if began < moment]:
            self._inside.pop(task, None)
            self._overdue.add(task)
            task.cancel()


class Slot:
    """The place of one request inside, taken and freed by a `with` block.

    Entering raises a `RefusedError` when too many are inside, leaving it raises one when the
    deadline has cancelled the request. A class, because a generator's context manager takes longer
    on the way of every prediction.

    Args:
        admission: which requests are inside.
        task: answers the request.
        began: when it came, by `time.perf_counter`.
    """

    __slots__ = ("_admission", "_began", "_task")

    def __init__(self, admission: Admission, task: Task, began: float) -> None:
        self._admission = admission
        self._task = task
        self._began = began

    def __enter__(self) -> Slot:
        self._admission.enter(self._task, self._began)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._admission.leave(self._task)
        if isinstance(error, asyncio.CancelledError) and self._admission.timed_out(self._task):
            raise unavailable("deadline", "not answered in time") from None

    def hold(self, received: int) -> None:
        """Count bytes of a large body that have arrived.

        Raises:
            RefusedError: there are too many.
        """
        self._admission.hold(self._task, received)

    def leave(self) -> None:
        """Free the slot early: no deadline holds any more."""
        self._admission.leave(self._task)


def unavailable(kind: str, msg: str) -> RefusedError:
    """The refusal of a request that may be sent again a second later."""
    return refusal(503, kind, msg, ("server",), Retry_After="1")


def overloaded(reason: str) -> RefusedError:
    """The refusal of a request that there is no room for."""
    return unavailable("overloaded", f"{reason}; try again")

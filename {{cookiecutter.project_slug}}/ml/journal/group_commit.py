"""Group commit: many requests wait for one sync to disk.

What came together is committed together, and where a moment ago more came together, their callers
get a moment to
come again: clients that wait for their answers would otherwise split into ever smaller groups. A
single caller never waits.

A small group on a quick disk is committed right there, in the loop: handing it to a thread and back
costs more than the sync. A large group, a slow disk or a database server gets a thread, so that
nobody else waits; what comes meanwhile gathers and goes together.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from ml.journal.records import Record
from ml.journal.store import Journal, JournalError

QUICK_SECONDS = 0.002  # a commit that took longer sends the next one to the thread
QUICK_ROWS = 256  # so does a larger group
GATHER_SECONDS = 0.001  # a group waits so long at most to become as large as the last one
RECENT_SECONDS = 0.02  # and only while requests come at all

log = logging.getLogger(__name__)

Waiter = asyncio.Future[None]
Append = Callable[[Sequence[Record]], bool | None]
Observe = Callable[[int, float], None]  # rows of a commit, its seconds


class GroupCommitWriter:
    """Awaitable, durable writes to the journal from one event loop.

    Args:
        journal: where entries go; nobody else appends to it.
        max_waiting: entries that may wait; beyond it a write is refused at once.
        observe: called after each commit, in the event loop.
    """

    def __init__(self, journal: Journal, max_waiting: int, observe: Observe) -> None:
        self._journal = journal
        self._max_waiting = max_waiting
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._entries: list[Record] = []
        self._rows = 0  # of these entries
        self._waiters: list[Waiter] = []
        self._busy = False
        self._expected = 1  # requests of the last group
        self._last = 0.0  # when it was committed
        self._timer: asyncio.TimerHandle | None = None
        self._quick = journal.is_file
        self._failing = False  # at the last commit
        self._work: SimpleQueue[tuple[list[Record], int, list[Waiter]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def write(self, entries: Sequence[Record]) -> None:
        """Return when the entries are on disk.

        Raises:
            JournalError: they are not, and will not be.
        """
        waiter = self._loop.create_future()
        self.enqueue(entries, waiter)
        # at the end of this turn of the loop: what came together goes together
        self._loop.call_soon(self.flush_when_ready)
        await waiter

    def is_idle(self) -> bool:
        """Whether the last one who came was alone, and nobody waits: the next one need not be gathered."""
        return self._expected == 1 and self._quick and not self._busy and not self._waiters

    def expect_more(self) -> None:
        """Somebody came together with one who was committed alone: next time they are gathered."""
        self._expected = max(2, self._expected)

    def commit_now(self, entries: Sequence[Record]) -> bool:
        """Write before returning; False, and nothing is done, where another process has locked the journal.

        Raises:
            JournalError: the entries are not on disk, and will not be.
        """
        rows = sum(entry.rows for entry in entries)
        done = self._commit(entries, self._journal.try_append)
        if done is None:
            return False
        self._committed(rows, *done)
        if done[1] is not None:
            raise done[1]
        return True

    def enqueue(self, entries: Sequence[Record], waiter: Waiter) -> None:
        """Leave entries for the next group; `waiter` is told when they are on disk, or why they will not be.

        Raises:
            JournalError: too much waits already.
        """
        if self._rows >= self._max_waiting:
            raise JournalError(f"journal: {self._rows} rows are waiting to be written")
        self._entries.extend(entries)
        self._rows += sum(entry.rows for entry in entries)
        self._waiters.append(waiter)

    def flush_when_ready(self) -> None:
        """Commit at once if as many wait as last time, or else in a moment."""
        if self._busy or not self._waiters:
            return
        if len(self._waiters) >= self._expected or self._loop.time() - self._last > RECENT_SECONDS:
            self._start()
        elif self._timer is None:
            self._timer = self._loop.call_later(GATHER_SECONDS, self._start)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._busy = True
        entries, rows, waiters = self._entries, self._rows, self._waiters
        self._entries, self._rows, self._waiters = [], 0, []
        self._expected = len(waiters)
        if self._quick and rows <= QUICK_ROWS:
            done = self._commit(entries, self._journal.try_append)
            if done is not None:
                self._done(waiters, rows, *done)
                return
        self._work.put((entries, rows, waiters))

    def _commit(
        self, entries: Sequence[Record], append: Append
    ) -> tuple[float, JournalError | None] | None:
        began = time.perf_counter()
        try:
            if append(entries) is False:
                return None
        except JournalError as error:
            return time.perf_counter() - began, error
        return time.perf_counter() - began, None

    def _run(self) -> None:
        while (group := self._work.get()) is not None:
            entries, rows, waiters = group
            done = self._commit(entries, self._journal.append)
            assert done is not None  # noqa: S101  # `append` waits its turn
            self._loop.call_soon_threadsafe(self._done, waiters, rows, *done)

    def _done(
        self, waiters: list[Waiter], rows: int, seconds: float, error: JournalError | None
    ) -> None:
        for waiter in waiters:
            if waiter.done():  # its request was cancelled
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        self._committed(rows, seconds, error)
        self._busy = False
        self.flush_when_ready()

    def _committed(self, rows: int, seconds: float, error: JournalError | None) -> None:
        self._quick = self._journal.is_file and seconds < QUICK_SECONDS * max(1, rows / QUICK_ROWS)
        self._last = self._loop.time()
        if error is None:
            self._loop.call_soon(self._observe, rows, seconds)  # answers go out first
        # a line when it begins and one when it ends, not one a request
        if (error is not None) != self._failing:
            self._failing = error is not None
            log.warning(
                "the journal is written again" if error is None else f"nothing is answered: {error}"
            )

    def close(self) -> None:
        """Wait for the last commit and end the thread."""
        self._work.put(None)
        self._thread.join()
        self._journal.close()

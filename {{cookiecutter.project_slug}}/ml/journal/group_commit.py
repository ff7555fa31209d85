"""Group commit: many requests wait for one sync to disk.

Requests that came together are committed together. If the last group was larger, a new one waits a
moment for the next requests of the same callers: clients that wait for their answers would
otherwise split into ever smaller groups. A single caller never waits.

A small group on a quick disk is committed in the event loop: handing it to a thread and back
costs more than the sync. A large group, a slow disk or a database server gets a thread, so that
nobody else waits; what comes meanwhile is the next group.
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
        self._last = 0.0  # when it was committed, in the loop's time
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
        # at the end of this turn of the loop, so that all that came in it is one group
        self._loop.call_soon(self.flush_when_ready)
        await waiter

    def is_idle(self) -> bool:
        """Whether the last group was one request and nothing waits: the next need not batch."""
        return self._expected == 1 and self._quick and not self._busy and not self._waiters

    def expect_more(self) -> None:
        """A second request arrived in the same loop turn; batch from the next one on."""
        self._expected = max(2, self._expected)

    def commit_now(self, entries: Sequence[Record]) -> bool:
        """Write before returning, unless another process has locked the journal.

        Returns:
            False: it has, and nothing is done.

        Raises:
            JournalError: the entries are not on disk, and will not be.
        """
        rows = sum(entry.rows for entry in entries)
        commit = self._commit(entries, self._journal.try_append)
        if commit is None:
            return False
        seconds, error = commit
        self._note_commit(rows, seconds, error)
        if error is not None:
            raise error
        return True

    def enqueue(self, entries: Sequence[Record], waiter: Waiter) -> None:
        """Leave entries for the next group.

        Args:
            entries: what is to be written.
            waiter: gets its result when they are on disk, or the reason why they will not be.

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
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(GATHER_SECONDS, self._flush)

    def _flush(self) -> None:
        """Commit the group that waits: here if that is quick, or in the thread."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._busy = True
        entries, rows, waiters = self._entries, self._rows, self._waiters
        self._entries, self._rows, self._waiters = [], 0, []
        self._expected = len(waiters)
        if self._quick and rows <= QUICK_ROWS:
            commit = self._commit(entries, self._journal.try_append)
            if commit is not None:
                self._release(waiters, rows, *commit)
                return
        self._work.put((entries, rows, waiters))

    def _commit(
        self, entries: Sequence[Record], append: Append
    ) -> tuple[float, JournalError | None] | None:
        """Seconds that it took, and why it failed; None: another process has locked the journal."""
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
            commit = self._commit(entries, self._journal.append)
            assert commit is not None  # noqa: S101  # `append` waits for the lock
            self._loop.call_soon_threadsafe(self._release, waiters, rows, *commit)

    def _release(
        self, waiters: list[Waiter], rows: int, seconds: float, error: JournalError | None
    ) -> None:
        """Tell a group's waiters, and start the next group."""
        for waiter in waiters:
            if waiter.done():  # its request was cancelled
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        self._note_commit(rows, seconds, error)
        self._busy = False
        self.flush_when_ready()

    def _note_commit(self, rows: int, seconds: float, error: JournalError | None) -> None:
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

"""Whether the journal can be written, how large it is and how much room its disk has.

The checks run in a thread of their own: a disk or a database that does not answer delays no request
and no probe.
"""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from ml.journal.store import Journal, JournalError
from ml.serving.metrics import Metrics

RETRY_SECONDS = 1.0  # between two trial writes after a write has failed
LOOK_SECONDS = 10.0  # between two looks while writes succeed
# with less a trial write may succeed, but the next large request would not
LEAST_FREE_BYTES = 1_000_000

log = logging.getLogger(__name__)


class JournalHealth:
    """What is known about the journal.

    Args:
        url: the journal's address; trial writes have a connection of their own.
        patience: seconds that a trial write waits for other processes.
        metrics: gets the journal's bytes and those that are free on its disk.
    """

    def __init__(self, url: str, patience: float, metrics: Metrics) -> None:
        self._trial = Journal(url, patience)
        self._patience = patience
        self._metrics = metrics
        self._written: Journal | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal health", daemon=True)

    def open(self, written: Journal) -> None:
        """Start looking.

        Args:
            written: the journal that answers are appended to; its last write and the trial writes
                decide.
        """
        self._written = written
        self._thread.start()

    @property
    def problem(self) -> str | None:
        """Why the journal cannot be written now, in words that hold no address; None: it can."""
        if self._written is None or self._written.problem is None:
            return None
        if not self._written.is_file:
            return "journal: the database is away or refuses to write; the service's log says why"
        return f"journal: {self._written.problem}"

    def _run(self) -> None:
        self._measure()
        looked = time.monotonic()
        while not self._ended.wait(RETRY_SECONDS):
            if self.problem is None and time.monotonic() - looked < LOOK_SECONDS:
                continue
            self._measure()
            self._try_to_write()
            looked = time.monotonic()

    def _measure(self) -> None:
        try:
            self._metrics.journal.size(
                self._trial.engine.dialect.name, self._trial.bytes(), self._trial.free_bytes()
            )
        except (OSError, SQLAlchemyError):
            return  # the trial write finds out whether this is a failure

    def _try_to_write(self) -> None:
        written = self._written
        assert written is not None  # noqa: S101  # set before the thread starts
        error = self._trial_error()
        until = time.monotonic() + self._patience
        # a database server that restarts is waited for, as appends wait for it
        while self._may_come_back(written, error, until):
            error = self._trial_error()
        if error is not None:
            if written.problem is None:
                log.warning("a trial write failed: %s", error)
            written.problem = self._trial.problem
        elif self._has_room():
            written.problem = None

    def _trial_error(self) -> JournalError | None:
        """Why a trial write failed; None: it did not."""
        try:
            self._trial.probe()
        except JournalError as error:
            return error
        return None

    def _may_come_back(self, written: Journal, error: JournalError | None, until: float) -> bool:
        """Whether another trial write may succeed before anybody is told; after a pause."""
        if error is None or written.is_file or written.problem is not None:
            return False
        return time.monotonic() < until and not self._ended.wait(RETRY_SECONDS)

    def _has_room(self) -> bool:
        free_bytes = self._trial.free_bytes()
        return free_bytes is None or free_bytes >= LEAST_FREE_BYTES

    def close(self) -> None:
        """End the thread, or leave it if it waits for a database that does not answer."""
        self._ended.set()
        self._thread.join(RETRY_SECONDS)
        self._trial.close()

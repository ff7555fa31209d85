"""Whose turn it is to write to a sqlite journal: a lock between processes, with a limit to the waiting."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

SOON_SECONDS = 0.001  # a few commits of another worker; who waits in the event loop waits no longer
# between two tries; another worker's commit takes about the first
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0002, 0.005


class WriteLock:
    """The exclusive right to write to one sqlite file.

    Tried again and again instead of queued for in the kernel: a process that never lets go would be
        waited for
    without end.
    """

    def __init__(self, file: int | None) -> None:
        self._file = file
        self._mutex = threading.Lock()  # a file lock holds between processes, not between threads

    def take(self, seconds: float) -> bool:
        """Take the turn within so many seconds, or not at all."""
        until = time.monotonic() + seconds
        if not self._mutex.acquire(timeout=seconds):
            return False
        pause = _FIRST_PAUSE
        while not self._lock_file():
            if time.monotonic() >= until:
                self._mutex.release()
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        return True

    def _lock_file(self) -> bool:
        if self._file is None:
            return True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def leave(self) -> None:
        """Let the next one in."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._mutex.release()

    @contextmanager
    def within(self, seconds: float) -> Iterator[float]:
        """Hold the turn; yields how many of the seconds are left.

        Raises:
            TimeoutError: others held it for so many seconds.
        """
        until = time.monotonic() + seconds
        if not self.take(seconds):
            raise TimeoutError(f"locked by another process, waited {seconds:g} s")
        try:
            yield max(0.0, until - time.monotonic())
        finally:
            self.leave()


def lock_file(url: sa.URL) -> int | None:
    """The lock beside a sqlite file, or None where the database orders its writers itself."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    path = Path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)

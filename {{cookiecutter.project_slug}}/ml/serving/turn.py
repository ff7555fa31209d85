"""Whose turn it is to write to a sqlite journal: a lock between processes that queues in the kernel."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import sqlalchemy as sa

_TRIES, _TRY_SECONDS = 5, 0.0002  # another worker's commit takes about that long


class Turn:
    """Writers of one sqlite file queue in the kernel: sqlite's own waiting sleeps and starves."""

    def __init__(self, file: int | None) -> None:
        self._file = file
        self._mutex = threading.Lock()  # a file lock holds between processes, not between threads

    def soon(self) -> bool:
        """Take the turn within a millisecond, or not at all."""
        if not self._mutex.acquire(blocking=False):
            return False
        for _ in range(_TRIES if self._file is not None else 0):
            try:
                fcntl.flock(self._file or 0, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_TRY_SECONDS)
            else:
                return True
        if self._file is None:
            return True
        self._mutex.release()
        return False

    def __enter__(self) -> None:
        self._mutex.acquire()
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_error: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Let the next one in."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._mutex.release()


def lock_file(url: sa.URL) -> int | None:
    """The lock beside a sqlite file, or None where the database orders its writers itself."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    path = Path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)

"""A process that a part keeps for longer than it may ends, whatever the part is doing.

The operating system's interval timer ends it: no thread of Python has to come to its turn, and no
process has to be there to watch. Whoever runs the parts learns from the dead process.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_ends: list[float] = []  # of the parts that run in this process, each in a thread


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """End this process (SIGALRM) if the block takes longer; 0: as long as it likes."""
    if not seconds:
        yield
        return
    end = time.monotonic() + seconds
    _change(_ends.append, end)
    try:
        yield
    finally:
        _change(_ends.remove, end)


def _change(change: object, end: float) -> None:
    with _lock:
        change(end)  # type: ignore[operator]
        next_end = max(min(_ends) - time.monotonic(), 1e-3) if _ends else 0.0
        signal.setitimer(signal.ITIMER_REAL, next_end)

"""The present moment, for all that is stamped with a time or compared with one.

A replay lets hours of a stream pass in seconds: it starts the service and the commands with
ML_CLOCK=<file> in their environment, and moves the clock of all of them by `set_clock`. The file
holds one float64, the seconds by which that clock is ahead of the machine's. Without ML_CLOCK the
clock is the machine's.

Deadlines, pauses and rates are measured with `time.monotonic`, which nobody moves.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ml import atomic
from ml.errors import UserError

VARIABLE = "ML_CLOCK"
_BYTES = 8  # of a float64


class MovedClock:
    """A clock that is ahead of the machine's by the seconds in a file.

    Args:
        path: the file; it is opened when the clock is first read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ahead: memoryview[float] | None = (
            None  # shape (1,), shared with the process that moves it
        )

    def __call__(self) -> float:
        """Unix seconds.

        Raises:
            UserError: the file is not there, or holds something else.
        """
        if self._ahead is None:
            self._ahead = _opened(self._path)
        return time.time() + float(self._ahead[0])


def _opened(path: Path) -> memoryview[float]:
    """The number in a clock's file, mapped into memory: a read or a write is one of 8 bytes."""
    try:
        with path.open("r+b") as file:
            return memoryview(mmap.mmap(file.fileno(), _BYTES)).cast("d")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or f"it does not hold {_BYTES} bytes"
        raise UserError(
            f"{VARIABLE}: {path}: {reason}",
            f"unset {VARIABLE}: only a replay moves the clock, and it writes the file itself",
        ) from None


def set_clock(path: Path, moment: float) -> None:
    """Move the clock of every process that reads this file; it runs on from there.

    Args:
        path: the file that ML_CLOCK names; it is made if it is not there.
        moment: unix seconds.
    """
    if not path.exists():
        with atomic.staged(path) as draft:
            draft.write_bytes(bytes(_BYTES))
    _opened(path)[0] = moment - time.time()


def _chosen() -> MovedClock | None:
    name = os.environ.get(VARIABLE)
    return MovedClock(Path(name)) if name else None


# bound once: where nobody moves the clock a look at it costs what `time.time` costs
now: Callable[[], float] = _chosen() or time.time


def moment() -> datetime:
    """The present moment in UTC."""
    return datetime.fromtimestamp(now(), UTC)

"""What the parts of these tests do, found by its name; and parts in the test's own process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ml.errors import UserError
from ml.scale.part import Function, Outcome, Part, attempt


def task(how: str) -> Any:
    """End as the word says: `word` or `word:argument`; another word is its own result."""
    word, _, argument = how.partition(":")
    return WORDS[word](argument) if word in WORDS else how


def _dies(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hangs(_: str) -> None:
    time.sleep(600)


def _raises(text: str) -> None:
    raise ValueError(text)


def _refuses(text: str) -> None:
    raise UserError(text, "mend it")


def _sleeps(seconds: str) -> None:
    time.sleep(float(seconds))


def _marks(folder: str) -> None:
    """Leave a file as a sign that it has begun, then take its time."""
    Path(folder, str(time.monotonic_ns())).touch()
    time.sleep(0.3)


def _dies_once(sign: str) -> None:
    if not Path(sign).exists():
        Path(sign).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _process(_: str) -> int:
    return os.getpid()


WORDS: dict[str, Callable[[str], Any]] = {
    "dies": _dies,
    "hangs": _hangs,
    "raises": _raises,
    "refuses": _refuses,
    "sleeps": _sleeps,
    "marks": _marks,
    "once": _dies_once,
    "process": _process,
}


class Here:
    """Runs parts in this process, and keeps which ones it was given together."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def outcomes(
        self, function: Function, parts: Sequence[Part], seconds: float
    ) -> Iterator[Outcome]:
        """See `ml.scale.part.Executor`."""
        self.calls.append([part.name for part in parts])
        for part in parts:
            yield Outcome(part, attempt(function, part.task, seconds))

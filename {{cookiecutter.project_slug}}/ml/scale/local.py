"""The parts in processes of this machine, one part at a time in each.

A process that dies or takes too long costs its own part and no other; a new one takes its place.
The processes end with the one that started them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from ml.scale.part import Answer, Function, Outcome, Part, attempt

GRACE_SECONDS = 30  # beyond the limit at which a process ends itself
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class LocalPool:
    """Runs parts in processes.

    Args:
        workers: number of processes; 0: as many as this process may use processors.
    """

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers or os.cpu_count() or 1

    def outcomes(
        self, function: Function, parts: Sequence[Part], seconds: float
    ) -> Iterator[Outcome]:
        """See `ml.scale.part.Executor`."""
        waiting, busy, idle = deque(parts), list[_Worker](), list[_Worker]()
        try:
            while waiting or busy:
                while waiting and len(busy) < self.workers:
                    worker = _ready(idle)
                    worker.begin(function, waiting.popleft(), seconds)
                    busy.append(worker)
                for worker in _ended(busy):
                    busy.remove(worker)
                    yield worker.outcome()
                    idle.append(worker)
        finally:
            for worker in [*busy, *idle]:
                worker.stop()


def _ready(idle: list[_Worker]) -> _Worker:
    """An idle process that lives, or a new one."""
    while idle:
        worker = idle.pop()
        if worker.is_alive():
            return worker
        worker.stop()
    return _Worker()


def _ended(busy: list[_Worker]) -> list[_Worker]:
    """Those of the workers that have an outcome, are dead or are out of time; waits for the first.

    A dead process closes its end of the pipe, which is readable then.
    """
    next_end = min(worker.end for worker in busy)
    patience = None if next_end == float("inf") else max(0.0, next_end - time.monotonic())
    readable = wait([worker.pipe for worker in busy], patience)
    now = time.monotonic()
    return [worker for worker in busy if worker.pipe in readable or worker.end <= now]


class _Worker:
    """A process, the pipe to it, and the part that it does."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs,), daemon=True)
        with _one_thread():
            self._process.start()
        theirs.close()

    def begin(self, function: Function, part: Part, seconds: float) -> None:
        """Hand it a part."""
        self._part, self._seconds = part, seconds
        self.end = time.monotonic() + seconds + GRACE_SECONDS if seconds else float("inf")
        with suppress(OSError):  # it is dead, which `outcome` tells
            self.pipe.send((function, part.task, seconds))

    def outcome(self) -> Outcome:
        """Its part's outcome; that of a process which died or is out of time is its end."""
        try:
            answer = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, OSError):
            answer = None
        return Outcome(self._part, answer or self._end())

    def _end(self) -> Answer:
        self.stop()
        status = self._process.exitcode or 0
        if status == -signal.SIGALRM or time.monotonic() >= self.end:
            return Answer(problem=f"was not done within {self._seconds:g} seconds")
        return Answer(problem=f"its process died ({_in_words(status)})")

    def is_alive(self) -> bool:
        """Whether it can take another part."""
        return self._process.is_alive()

    def stop(self) -> None:
        """End the process, if it has not ended."""
        self._process.join(0.1)  # one that dies just now keeps its own exit status
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _in_words(status: int) -> str:
    """What an exit status of multiprocessing says."""
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def work(pipe: Connection[Any, Any]) -> None:
    """What a worker's process does: parts, until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    with suppress(EOFError, OSError):
        while True:
            pipe.send(attempt(*pipe.recv()))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes are the parallelism: within one, libraries calculate on one thread."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        _set_back(before)


def _set_back(before: dict[str, str | None]) -> None:
    """Variables of the environment as they were; None: there was none."""
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

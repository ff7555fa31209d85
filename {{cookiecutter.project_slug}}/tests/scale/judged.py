"""A window judged on a Dask scheduler: `python -m tests.scale.judged SCHEDULER PID SOURCE…`.

PID is a worker's, which is killed when the first part is done. Prints a verdict for each source:
the address of a journal, or an exported file.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ml.journal.bulk.scan import Span
from ml.journal.store import Journal
from ml.monitoring.commands import exports
from ml.monitoring.inputs.parts import Exports
from ml.monitoring.inputs.reference import load_champion
from ml.monitoring.monitor import evaluate_window
from ml.params import load_params
from ml.scale.address import executor_at
from ml.scale.part import Executor, Function, Outcome, Part

SPAN = Span(1_787_000_000.0, 1_790_000_000.0)


def verdict_on(source: str, folder: Path, executor: Executor | None = None) -> dict[str, Any]:
    """The verdict on a window, without the moment at which it was judged."""
    champion, settings = load_champion(), load_params().monitor
    with opened(source) as engine:
        verdict = evaluate_window(engine, champion, SPAN, settings, folder, executor=executor)
    told: dict[str, Any] = json.loads(verdict.model_dump_json(exclude={"judged_at"}))
    return told


@contextmanager
def opened(source: str) -> Iterator[Engine | Exports]:
    """An exported file, or a journal by its address."""
    if source.endswith(".parquet"):
        yield exports([source], None)[0]
        return
    with closing(Journal(source)) as journal:
        yield journal.engine


class Killing:
    """An executor that has lost a worker when the first part is done."""

    def __init__(self, executor: Executor, worker: int) -> None:
        self._executor, self._worker = executor, worker

    def outcomes(
        self, function: Function, parts: Sequence[Part], seconds: float
    ) -> Iterator[Outcome]:
        """See `ml.scale.part.Executor`."""
        for outcome in self._executor.outcomes(function, parts, seconds):
            if self._worker:
                os.kill(self._worker, signal.SIGKILL)
                self._worker = 0
            yield outcome


def main() -> None:
    """Judge what the arguments name."""
    scheduler, worker, *sources = sys.argv[1:]
    executor = Killing(executor_at(scheduler), int(worker))
    folders = (Path(f"on-dask-{i}") for i in range(len(sources)))
    print(json.dumps([verdict_on(s, f, executor) for s, f in zip(sources, folders, strict=False)]))


if __name__ == "__main__":
    main()

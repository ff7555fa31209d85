"""The search's trials in MLflow as they end, where MLFLOW_TRACKING_URI is set.

A thread writes them, so that a slow server costs the search no time; one that is away costs a line,
and the release logs what is missing. What the stage writes does not depend on any of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import Any

from ml.errors import SENTENCE, printable
from ml.pipeline import tracking

# the digest of what is searched, the trial's number in the search, the trial
Tell = Callable[[str, int, dict[str, Any]], None]
LAST_SECONDS = 60.0  # that the stage waits for the thread when it has nothing else to do


@contextmanager
def telling(name: str) -> Iterator[Tell | None]:
    """What is to be told of each trial within the block; None where no server is named.

    Args:
        name: of the experiment.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        yield None
        return
    log = _Log(name)
    try:
        yield log.tell
    finally:
        log.end()


class _Log:
    def __init__(self, name: str) -> None:
        self._name = name
        self._told: SimpleQueue[tuple[str, int, dict[str, Any]] | None] = SimpleQueue()
        self._thread = Thread(target=self._write, daemon=True)

    def tell(self, searched: str, number: int, trial: dict[str, Any]) -> None:
        if not self._thread.ident:
            self._thread.start()
        self._told.put((searched, number, trial))

    def end(self) -> None:
        """Wait for the last trials; a stage that failed waits as well, because they did end."""
        self._told.put(None)
        if self._thread.ident:
            self._thread.join(LAST_SECONDS)
            if self._thread.is_alive():
                _warn(f"it has not answered for {LAST_SECONDS:g} s")

    def _write(self) -> None:
        try:
            self._write_all()
        except Exception as error:  # whatever MLflow, its database or its client raises
            _warn(str(error) or type(error).__name__)

    def _write_all(self) -> None:
        tracking.import_library()
        from mlflow.tracking import MlflowClient

        client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
        experiment = tracking.experiment(client, self._name)
        runs: dict[str, tracking.SearchRun] = {}
        for searched, number, trial in iter(self._told.get, None):
            if searched not in runs:
                runs[searched] = tracking.SearchRun(client, experiment, searched)
            runs[searched].add(number, trial)
        for run in runs.values():
            run.end()


def _warn(why: str) -> None:
    """One line, without a password that an address may hold."""
    plain = re.sub(r"//[^/@\s]*@", "//", " ".join(why.split()))
    print(
        f"train: warning: MLFLOW_TRACKING_URI: trials are left to `ml release`: "
        f"{printable(plain, SENTENCE)}",
        flush=True,
    )

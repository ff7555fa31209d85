"""LightGBM over the rows of real workers, which are killed in the middle of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from typing import Any

import numpy as np
import psutil
import pytest

from ml.metrics import measure, resample
from tests.scale.conftest import Make, wait_for
from tests.scale.trained import ROWS, answered, fitted, rows

TREES = 1000
BUILDING = 0.4  # processor seconds of a worker after which it builds trees


@pytest.mark.slow
def test_rows_of_two_workers_make_an_ordinary_model_and_a_killed_worker_the_same_or_an_error(
    cluster_of: Make,
) -> None:
    cluster = cluster_of({})
    workers = [cluster.add_worker() for _ in range(2)]
    words = ["-m", "tests.scale.trained"]
    process = cluster.python(*words, DASK_SCHEDULER_ADDRESS=cluster.address)
    begin(process, TREES, 60)
    first = line_of(process)
    assert first["gap"] < 1e-6
    is_as_good_as_one_process(np.array(first["probabilities"]))

    begin(process, TREES, 60)
    builds_trees(workers[0]).kill()  # its nanny starts another
    assert line_of(process) == first

    begin(process, 100 * TREES, 3)  # it does not end before the worker is killed
    builds_trees(workers[1])
    os.killpg(workers[1].pid, signal.SIGKILL)
    assert re.search("[01] of 2 workers are there", line_of(process)["gone"])
    process.communicate(timeout=60)


def begin(process: subprocess.Popen[str], trees: int, seconds: float) -> None:
    """A fit of so many trees that waits so long for a worker that is away."""
    assert process.stdin
    process.stdin.write(f"{trees} {seconds}\n")
    process.stdin.flush()


def line_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the fit came to."""
    assert process.stdout
    for line in process.stdout:
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    raise AssertionError(process.communicate())


def builds_trees(nanny: subprocess.Popen[bytes]) -> psutil.Process:
    """The nanny's worker, once it is at work."""
    worker = psutil.Process(nanny.pid).children()[-1]
    before = worker.cpu_times().user
    wait_for(lambda: worker.cpu_times().user > before + BUILDING)
    return worker


def is_as_good_as_one_process(found: Any) -> None:
    """It is not shown to be worse on rows that neither has seen."""
    ours, y = np.array(answered(fitted("local", TREES))[0]), rows()[1][ROWS:]

    def gain(drawn: Any) -> float:
        of = [measure("roc_auc", y[drawn], np.c_[1 - p, p][drawn]) for p in (found, ours)]
        return of[0] - of[1]

    assert np.quantile(resample(len(y), gain, 200), 0.975) >= 0

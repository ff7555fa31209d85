"""LightGBM in one process, and over the rows of workers on Dask: what one worker less costs.

1. The fit in one process, with one thread and with as many as there are processors.
2. The same rows shared by 1, 2 and 3 workers of one thread each (`train.executor: dask`), which run
   already and have fitted a small table.

Each is a process of its own, which reads the encoded rows from a file that is mapped into memory
and fits with the settings of params.yaml. Seconds and processor seconds are those of the fit, with
all that it sends; memory is the largest resident set of one process, mapped pages included. Scores
are of 200,000 held-out rows (ROC AUC), with the 95 % interval of the difference to the first line
(a paired bootstrap). Of several rounds the quickest counts. Rows: 12 numbers with gaps, 6
categories of six levels, drawn with a seed.

Reads: params.yaml. Writes: reports/benchmarks/training.json, rows in .bench/training.
Run: `python -m benchmarks.training [--rows 1000000] [--rounds 3] [--dask PYTHON]`
PYTHON has requirements/scale.txt beside the project's packages; without one the second part is left
out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.model import CATEGORIES, CONTRACT, LEVELS, NUMBERS
from benchmarks.scoring import HERE, LOOK_SECONDS, cluster, cpu_of
from ml.atomic import write_json
from ml.metrics import answers, measure, resample
from ml.params import load_params

WORK = HERE / ".bench" / "training"
REPORT = HERE / "reports" / "benchmarks" / "training.json"
HELD_OUT, SMALL, DRAWS = 200_000, 2_000, 200
Figures = dict[str, Any]


def write_rows(folder: Path, rows: int) -> None:
    """Encoded rows and classes, the held-out ones last; they stay for the next run."""
    if (folder / "y.npy").exists() and len(np.load(folder / "y.npy", mmap_mode="r")) == rows:
        return
    folder.mkdir(parents=True, exist_ok=True)
    shape, rng = (rows, len(NUMBERS) + len(CATEGORIES)), np.random.default_rng(0)
    x = np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.float32, shape=shape)
    y = np.empty(rows, dtype=np.int64)
    for start in range(0, rows, HELD_OUT):
        size = min(HELD_OUT, rows - start)
        numbers = rng.normal(size=(size, len(NUMBERS)))
        levels = rng.integers(0, len(LEVELS), (size, len(CATEGORIES)))
        signal = numbers[:, 0] + np.maximum(numbers[:, 1], numbers[:, 2]) + np.abs(numbers[:, 3])
        signal += (levels[:, 0] % 3) * numbers[:, 4] + (levels[:, 1] == 2)
        y[start : start + size] = signal + 2 * rng.normal(size=size) > 2
        numbers[rng.random(numbers.shape) < 0.05] = np.nan
        x[start : start + size] = np.column_stack([numbers, levels])
    np.save(folder / "y.npy", y)


def fit_once(workers: int) -> None:
    """What the measured process does: a small fit, a line, then the fit, and its figures."""
    from ml.model import make_model
    from ml.pipeline.training.lightgbm_workers import fit_model

    x, y = (np.load(WORK / name, mmap_mode="r") for name in ("x.npy", "y.npy"))
    where = {"executor": "dask" if workers else "local", "workers": workers}
    train = load_params(HERE / "params.yaml").train
    params = train.model_copy(update={"model": "lightgbm", **where})

    def fitted(rows: int) -> Any:
        return fit_model(make_model(CONTRACT, params), x[:rows], np.asarray(y[:rows]), params)

    fitted(SMALL)
    say("begins")
    started, learned = time.perf_counter(), len(y) - HELD_OUT
    model = fitted(learned)
    say("done", seconds=time.perf_counter() - started, trees=model[-1].booster_.num_trees())
    np.save(WORK / "answers.npy", answers(model, x[learned:], CONTRACT))


def say(word: str, **figures: float) -> None:
    """A line for the process that measures."""
    print(json.dumps({"word": word, **figures}), flush=True)


class Peaks:
    """The largest resident set of each process among some and their children."""

    def __init__(self, roots: list[int]) -> None:
        self._roots, self._over = roots, threading.Event()
        self.largest: dict[int, int] = {}
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for root in self._roots:
                with suppress(psutil.NoSuchProcess):
                    self._note(psutil.Process(root))

    def _note(self, root: psutil.Process) -> None:
        for process in [root, *root.children(recursive=True)]:
            size = process.memory_info().rss
            self.largest[process.pid] = max(size, self.largest.get(process.pid, 0))

    def stop(self) -> dict[int, int]:
        """Megabytes by process."""
        self._over.set()
        self._thread.join()
        return {pid: round(size / 1e6) for pid, size in self.largest.items()}


def measured(python: str, workers: int, roots: list[int], **env: str) -> Figures:
    """The figures of one fit; `roots` are the scheduler and the workers."""
    settings = {**os.environ, "PYTHONPATH": str(HERE), **env}
    words = [python, "-m", "benchmarks.training", "--fit", str(workers)]
    with subprocess.Popen(words, env=settings, stdout=subprocess.PIPE, text=True) as process:
        heard(process, "begins")
        everyone = [process.pid, *roots]
        before, peaks = sum(map(cpu_of, everyone)), Peaks(everyone)
        done = heard(process, "done")
        cpu, largest = sum(map(cpu_of, everyone)) - before, peaks.stop()
    here = largest.pop(process.pid, 0)
    y = np.load(WORK / "y.npy")[-HELD_OUT:]
    return {
        "seconds": round(done["seconds"], 1),
        "cpu_seconds": round(cpu, 1),
        "here_mb": here,
        "worker_mb": max(largest.values(), default=None),
        "trees": done["trees"],
        "score": round(measure("roc_auc", y, np.load(WORK / "answers.npy")), 4),
    }


def heard(process: subprocess.Popen[str], word: str) -> Figures:
    """The line that begins with a word."""
    for line in process.stdout or ():
        if line.startswith("{") and (found := json.loads(line))["word"] == word:
            return dict(found)
    raise SystemExit(f"the fit ended without `{word}`")


def one_process(threads: int) -> Figures:
    """One process with so many threads."""
    return measured(sys.executable, 0, [], OMP_NUM_THREADS=str(threads))


def on_workers(workers: int, python: str) -> Figures:
    """So many workers of a cluster on this machine."""
    with cluster(python, workers) as (address, roots):
        return measured(python, workers, roots, DASK_SCHEDULER_ADDRESS=address)


def main() -> None:
    """Measure, print and write."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--rounds", type=int, default=1)
    asked.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3])
    asked.add_argument("--dask", metavar="PYTHON")
    asked.add_argument("--fit", type=int, help=argparse.SUPPRESS)
    words = asked.parse_args()
    if words.fit is not None:
        fit_once(words.fit)
        return
    write_rows(WORK, words.rows + HELD_OUT)
    steps: dict[str, Callable[[], Figures]] = {
        f"one process, {n} threads": partial(one_process, n)
        for n in sorted({1, os.cpu_count() or 1})
    }
    for n in words.workers if words.dask else []:
        steps[f"{n} workers of one thread"] = partial(on_workers, n, words.dask)
    found: Figures = {"rows": words.rows, "load_before": round(os.getloadavg()[0], 2)}
    first: Any = None
    for number in range(words.rounds):
        for name, step in steps.items():
            figures = step()
            now = np.load(WORK / "answers.npy")
            first = now if first is None else first
            if number == 0:
                figures["difference"] = difference(first, now)
            print(f"round {number + 1}: {name}: {figures}", flush=True)
            before = found.get(name, figures)
            quicker = min(before, figures, key=lambda of: of["seconds"])
            found[name] = {**quicker, "difference": before.get("difference")}
    write_json(REPORT, found)


def difference(first: Any, other: Any) -> list[float]:
    """The other's score less the first's, and its 95 % interval."""
    y = np.load(WORK / "y.npy")[-HELD_OUT:]

    def gain(drawn: Any) -> float:
        ours, theirs = (measure("roc_auc", y[drawn], of[drawn]) for of in (first, other))
        return theirs - ours

    low, high = np.quantile(resample(len(y), gain, DRAWS), (0.025, 0.975))
    return [round(float(value), 5) for value in (gain(np.arange(len(y))), low, high)]


if __name__ == "__main__":
    main()

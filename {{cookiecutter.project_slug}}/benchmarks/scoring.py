"""Rows a second and memory of `ml score`, by the number of workers, here and on Dask.

1. The floor: ONNX Runtime in a loop over a float32 matrix that is in memory, one thread, nothing
   read, checked or written. The same rows 100 at a time and 50,000 at a time.
2. `ml score FOLDER FOLDER` with 1, 2 and 4 processes, from the start of the command to its end.
3. The same on a Dask scheduler with as many workers of one thread, which run already and have
   scored one small table each.
4. `mlflow.pyfunc.spark_udf` of the same model as a scikit-learn pipeline, on local Spark: from the
   first row to the last, without the JVM's start.

Of several rounds, each with all parts in turn, the quickest counts: other work on the machine only
adds to it. Processor seconds are those of all processes that take part, start and imports
included. Memory is the largest sum of the resident sets of all processes that take part, looked
at ten times a second; what they share is counted for each. Tables: 12 numbers with gaps, 6
categories.

Reads: nothing. Writes: reports/benchmarks/scoring.json, tables and a bundle in .bench/scoring.
Run: `python -m benchmarks.scoring [--rows 10000000] [--rounds 3] [--dask PYTHON] [--spark PYTHON]`
PYTHON has requirements/scale.txt, or pyspark, beside the project's packages; without one its part
is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.model import CATEGORIES, CONTRACT, LEVELS, NUMBERS, write_model
from ml.atomic import write_json
from ml.bundle import MODEL_FILE, RUN, onnx_session
from ml.encode import Encoder

HERE = Path(__file__).resolve().parents[1]
WORK = HERE / ".bench" / "scoring"
MODEL = HERE / ".bench" / "model"
REPORT = HERE / "reports" / "benchmarks" / "scoring.json"
FILES = 8
GROUP = 100_000  # rows of a row group
LOOK_SECONDS = 0.1


def write_tables(folder: Path, rows: int) -> None:
    """So many rows in eight files, drawn with a seed; they stay for the next run."""
    sign = folder / f"_{rows}"
    if sign.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(FILES):
        rng = np.random.default_rng(number)
        path, left = folder / f"{number}.parquet", rows // FILES
        with pq.ParquetWriter(path, table_of(1, rng).schema) as writer:
            while left:
                writer.write_table(table_of(min(left, GROUP), rng))
                left -= min(left, GROUP)
    sign.touch()


def table_of(n: int, rng: np.random.Generator) -> pa.Table:
    """Rows of the contract; a twentieth of the numbers is missing."""
    numbers = {name: pa.array(rng.normal(50, 20, n), mask=rng.random(n) < 0.05) for name in NUMBERS}
    levels = pa.array(LEVELS)
    texts = {name: levels.take(pa.array(rng.integers(0, len(LEVELS), n))) for name in CATEGORIES}
    return pa.table({**numbers, **texts})


class Memory:
    """The largest sum of resident sets of some processes and their children."""

    def __init__(self, *roots: int) -> None:
        self._roots, self._over, self.peak = roots, threading.Event(), 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.peak = max(self.peak, sum(map(_resident, self._roots)))

    def stop(self) -> int:
        """Megabytes."""
        self._over.set()
        self._thread.join()
        return round(self.peak / 1e6)


def _resident(root: int) -> int:
    total = 0
    try:
        parent = psutil.Process(root)
        processes = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def floor(rows: int, run: int) -> dict[str, Any]:
    """The model alone, on rows that are in memory as it takes them."""
    session = onnx_session((MODEL / "bundle" / MODEL_FILE).read_bytes())
    frame = table_of(min(rows, GROUP), np.random.default_rng(0)).to_pandas()
    matrix = Encoder(CONTRACT).columns({name: frame[name].to_numpy() for name in frame})
    started, spent = time.perf_counter(), time.process_time()
    for start in range(0, len(matrix), run):
        session.run(None, {"x": matrix[start : start + run]})
    seconds = time.perf_counter() - started
    cpu = time.process_time() - spent
    return {
        "rows_per_second": round(len(matrix) / seconds),
        "cpu_seconds": round(cpu * rows / len(matrix), 1),
    }


def timed(words: list[str], rows: int, *others: int, **env: str) -> dict[str, Any]:
    """A command's rows a second and peak memory, with that of other processes."""
    settings = {**os.environ, "PYTHONPATH": str(HERE), "ML_BUNDLE": str(MODEL / "bundle"), **env}
    started = time.perf_counter()
    before = sum(cpu_of(other) for other in others)
    process = subprocess.Popen(words, cwd=WORK, env=settings, stdout=subprocess.DEVNULL)
    memory = Memory(process.pid, *others)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: exit status {process.returncode}")
    seconds = time.perf_counter() - started
    cpu = usage.ru_utime + usage.ru_stime + sum(cpu_of(other) for other in others) - before
    figures = {"seconds": round(seconds, 1), "rows_per_second": round(rows / seconds)}
    return {**figures, "cpu_seconds": round(cpu, 1), "peak_mb": memory.stop()}


def cpu_of(root: int) -> float:
    """Processor seconds of a process and its children so far."""
    parent = psutil.Process(root)
    spent = [process.cpu_times() for process in [parent, *parent.children(recursive=True)]]
    return sum(times.user + times.system for times in spent)


def score(python: str, source: str, target: str, *options: str) -> list[str]:
    """The command, with an empty folder for its answers."""
    shutil.rmtree(WORK / target, ignore_errors=True)
    return [python, "-m", "ml", "score", source, f"{target}/", *options]


def here(rows: int, workers: int) -> dict[str, Any]:
    """Processes of this machine."""
    return timed(score(sys.executable, "in", "out", "--workers", str(workers)), rows)


def on_dask(rows: int, workers: int, python: str) -> dict[str, Any]:
    """Workers of a scheduler, which have imported what they need."""
    with cluster(python, workers) as (address, roots):
        subprocess.run(
            score(python, "small", "warm", "--scheduler", address),
            cwd=WORK,
            env={**os.environ, "PYTHONPATH": str(HERE), "ML_BUNDLE": str(MODEL / "bundle")},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return timed(score(python, "in", "out", "--scheduler", address), rows, *roots)


@contextmanager
def cluster(python: str, workers: int) -> Iterator[tuple[str, list[int]]]:
    """A scheduler and workers on loopback: its address, and their processes."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    address, quiet = f"tcp://127.0.0.1:{port}", ["--no-dashboard"]
    listen = ["--host", "127.0.0.1", "--port", port, *quiet]
    many = ["--nworkers", str(workers), "--nthreads", "1", "--local-directory", str(WORK)]
    settings = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [python, "-m", f"distributed.cli.dask_{kind}", *words],
            env=settings,
            stderr=subprocess.DEVNULL,
        )
        for kind, words in (("scheduler", listen), ("worker", [address, *many, *quiet]))
    ]
    try:
        yield address, [process.pid for process in started]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def on_spark(workers: int, python: str) -> dict[str, Any]:
    """MLflow's function of Spark; the program prints its own seconds and rows."""
    shutil.rmtree(WORK / "spark-out", ignore_errors=True)
    program = str(HERE / "benchmarks" / "peers" / "spark.py")
    words = [python, program, str(MODEL / "mlflow-model"), "in", "spark-out", str(workers)]
    settings = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        words, cwd=WORK, env=settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    memory = Memory(process.pid)
    said = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"{program}: exit status {process.returncode}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    figures = {"seconds": round(found["seconds"], 1)}
    rate = {"rows_per_second": round(found["rows"] / found["seconds"])}
    return {**figures, **rate, "peak_mb": memory.stop()}


def main() -> None:
    """Measure, print and write."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--rows", type=int, default=500_000)
    asked.add_argument("--rounds", type=int, default=1)
    asked.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    asked.add_argument("--dask", metavar="PYTHON")
    asked.add_argument("--spark", metavar="PYTHON")
    words = asked.parse_args()
    write_model(MODEL)
    write_tables(WORK / "in", words.rows)
    write_tables(WORK / "small", FILES)
    found: dict[str, Any] = {"rows": words.rows, "load_before": round(os.getloadavg()[0], 2)}
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        f"ONNX Runtime in a loop, {run:,} rows at a time": partial(floor, words.rows, run)
        for run in (RUN, 50_000)
    }
    for n in words.workers:
        steps[f"ml score, {n} processes"] = partial(here, words.rows, n)
        if words.dask:
            steps[f"ml score on Dask, {n} workers"] = partial(on_dask, words.rows, n, words.dask)
        if words.spark:
            steps[f"spark_udf, {n} threads"] = partial(on_spark, n, words.spark)
    for number in range(words.rounds):
        for name, step in steps.items():
            figures = step()
            print(f"round {number + 1}: {name}: {figures}", flush=True)
            found[name] = quicker(found.get(name), figures)
    write_json(REPORT, found)
    for name in steps:
        print(f"{name}: {found[name]}")


def quicker(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """The round with more rows a second."""
    if before is None or before["rows_per_second"] < now["rows_per_second"]:
        return now
    return before


if __name__ == "__main__":
    main()

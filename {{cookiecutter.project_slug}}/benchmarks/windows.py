"""Rows a second and memory of judging an exported window, by the number of processes.

An export of so many rows of 18 columns, half of them with an outcome, is written as `ml journal
export` writes it, in its columns and row groups, but compressed by zstd. Then it is judged as by
`ml monitor --exported FILE`, without Evidently's pages: by one process, and in parts by one, two, …
processes beside it (`--workers`). The verdicts have to be equal, number for number; else the status
is 3. Seconds are those from the file to the verdict, with the start of the workers. Memory is each
process's largest resident set, looked at ten times a second.

Writes: some 100 bytes a row in .bench/windows, which is removed at the end.
Run: `python -m benchmarks.windows [--rows 1000000] [--workers 1 2]`
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.monitoring import LEVELS, REFERENCE_ROWS, contract_of, frame_of

HERE = Path(__file__).resolve().parents[1]
WORK = HERE / ".bench" / "windows"
EXPORT = WORK / "answers.parquet"
REFERENCE = WORK / "reference.parquet"
COLUMNS = 18
DAYS = 30
END = 1_790_000_000  # unix seconds
LABEL_SECONDS = 86_400  # from an answer to its outcome
LOOK_SECONDS = 0.1


def write_reference() -> None:
    """The held-out rows, drawn as the window's."""
    frame, rng = frame_of(REFERENCE_ROWS, COLUMNS, 1), np.random.default_rng(2)
    is_yes = rng.random(len(frame)) < frame["probability:yes"]
    frame.assign(y=np.where(is_yes, "yes", "no").astype(object)).to_parquet(REFERENCE)


def write_export(rows: int) -> None:
    """An export of a window: rows drawn with a seed, in order of time."""
    from ml.journal.export import ROWS, export_schema

    schema = export_schema()
    with pq.ParquetWriter(EXPORT, schema, compression="zstd") as writer:
        for first in range(0, rows, ROWS):
            writer.write_table(_group(first, min(ROWS, rows - first), rows, schema))


def _group(first: int, n: int, rows: int, schema: pa.Schema) -> pa.Table:
    """A row group of the export."""
    from ml.journal.records import id_begin

    rng = np.random.default_rng(first)
    at = END - DAYS * 86_400 * (1 - np.arange(first, first + n) / rows)
    ids = [f"{id_begin(moment)}{first + i:020x}" for i, moment in enumerate(at.tolist())]
    yes = rng.random(n).round(4)
    outcome = pa.array(rng.random(n) < yes)
    moments = pa.array((at * 1e6).astype("int64"))
    of_outcome = pc.add(moments, LABEL_SECONDS * 1_000_000)
    labelled = pa.array(rng.random(n) < 0.5)
    columns = {
        "prediction_id": ids,
        "at": moments,
        "version": ["1"] * n,
        "role": ["champion"] * n,
        "row_id": pa.nulls(n, pa.string()),
        "features": _features(n, rng),
        "prediction": _label(pa.array(yes > 0.5)),
        "probabilities": _joined('{"no": ', (1 - yes).round(4), ', "yes": ', yes, "}"),
        "outcome": pc.if_else(labelled, _label(outcome), None),
        "labelled_at": pc.if_else(labelled, of_outcome, None),
    }
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in schema]
    return pa.table(arrays, schema=schema)


def _label(is_yes: pa.Array) -> pa.Array:
    return pc.if_else(is_yes, '"yes"', '"no"')


def _features(n: int, rng: np.random.Generator) -> pa.Array:
    """The rows as JSON: numbers, and in every fourth column levels (`benchmarks.monitoring`)."""
    levels, pieces = pa.array([f'"{level}"' for level in LEVELS]), list[Any]()
    for place in range(COLUMNS):
        values = (
            levels.take(pa.array(rng.integers(0, len(LEVELS), n)))
            if place % 4 == 3
            else rng.lognormal(0, 1, n).round(4)
        )
        pieces += [f'{", " if place else "{"}"c{place}": ', values]
    return _joined(*pieces, "}")


def _joined(*pieces: Any) -> pa.Array:
    """Texts put together of arrays and constant texts."""
    texts = [each if isinstance(each, str) else pa.array(each).cast(pa.string()) for each in pieces]
    return pc.binary_join_element_wise(*texts, "")


def judge(workers: int) -> None:
    """Print the verdict, and the seconds that it took; 0 workers: this process."""
    import pandas as pd

    from ml.monitoring.commands import exports
    from ml.monitoring.inputs.reference import champion_of
    from ml.monitoring.monitor import evaluate_window
    from ml.params import load_params
    from ml.scale.local import LocalPool

    released = {"name": "b", "version": "1", "released_at": "2026-01-01T00:00:00+00:00"}
    about = {"metric": "roc_auc", "metrics": {"roc_auc": 0.83}}
    champion = champion_of(about, released, contract_of(COLUMNS), pd.read_parquet(REFERENCE))
    settings = load_params(HERE / "params.yaml").monitor
    began = time.monotonic()
    engine, span = exports([str(EXPORT)], None)
    folder, executor = Path(f"workers-{workers}"), LocalPool(workers) if workers else None
    verdict = evaluate_window(engine, champion, span, settings, folder, executor=executor)
    seconds = time.monotonic() - began
    told = verdict.model_dump_json(exclude={"judged_at"})
    print(json.dumps({"seconds": seconds, "verdict": json.loads(told)}))


class Peaks:
    """The largest resident set of a process, and of each of its children."""

    def __init__(self, root: int) -> None:
        self._root, self._over = psutil.Process(root), threading.Event()
        self.of: dict[int, int] = {}  # by process id; the command is the first
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with suppress(psutil.NoSuchProcess):
                for each in (self._root, *self._root.children(recursive=True)):
                    if "resource_tracker" not in " ".join(each.cmdline()):
                        seen = each.memory_info().rss >> 20
                        self.of[each.pid] = max(seen, self.of.get(each.pid, 0))

    def stop(self) -> list[int]:
        """MiB."""
        self._over.set()
        self._thread.join()
        return list(self.of.values())


def measured(workers: int) -> dict[str, Any]:
    """Judge in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.windows", "--judge", str(workers)]
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=WORK, env=env, text=True) as process:
        peaks = Peaks(process.pid)
        said, _ = process.communicate()
        mib = peaks.stop()
    if process.returncode:
        raise SystemExit(process.returncode)
    told: dict[str, Any] = json.loads(said.splitlines()[-1])
    return {**told, "mib": mib}


def main(rows: int, workers: list[int]) -> bool:
    """Write, judge, print; whether all verdicts are the same."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    try:
        write_reference()
        began = time.monotonic()
        write_export(rows)
        size, seconds = EXPORT.stat().st_size / 1e6, time.monotonic() - began
        print(f"{rows:,} rows x {COLUMNS} columns: {size:,.0f} MB, written in {seconds:.0f} s")
        found = {each: _row(rows, each) for each in (0, *workers)}
    finally:
        shutil.rmtree(WORK)
    first = found[0]
    same = all(verdict == first for verdict in found.values())
    judged = f"{first['verdict']}, {first['rows']:,} rows"
    print(f"{'equal' if same else 'DIFFERENT'} verdicts: {judged}")
    return same


def _row(rows: int, workers: int) -> dict[str, Any]:
    """Judge, print a line, and return the verdict."""
    told = measured(workers)
    seconds, (own, *others) = told["seconds"], told["mib"]
    who = f"{workers} workers" if workers else "one process"
    memory = ", ".join(map(str, others))
    beside = f"; workers: {memory}" if others else ""
    print(f"{who}: {seconds:.1f} s, {rows / seconds:,.0f} rows/s; MiB: {own}{beside}", flush=True)
    verdict: dict[str, Any] = told["verdict"]
    return verdict


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Rows a second of judging an exported window.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--judge", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.judge is not None:
        judge(given.judge)
    elif not main(given.rows, given.workers):
        sys.exit(3)

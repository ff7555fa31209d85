"""Peak memory and seconds of the stages that stream: 1M, 3M and 10M rows x 18 columns, or others.

Adopts the seeded table of a million rows of `benchmarks/adopt.py` and stands it in data/raw several
times over. Each step is a process of its own, so that its peak is its own: ingest, validate, split,
and `encode`, which is what the train stage does before it fits.

Makes a temporary project beside this one's code; writes nothing here.
Run: `python -m benchmarks.rows`, or with numbers of millions (`python -m benchmarks.rows 1 100`).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.adopt import Cost, Size, measure, prepare, report

MILLION = 1_000_000
STEPS = ("ingest", "validate", "split")
ENCODE = """
from ml.contract import load_contract
from ml.pipeline.artifacts import TRAIN
from ml.pipeline.training.rows import read_rows
read_rows(TRAIN, load_contract())
"""


def repeat(project: Path, times: int) -> None:
    """As many parts as millions of rows; a part after the first is a link to it."""
    first, *others = sorted((project / "data/raw").glob("*.csv"))
    for other in others:
        other.unlink()
    for i in range(1, times):
        os.link(first, first.with_name(f"{i + 1:04d}-again.csv"))


def main() -> None:
    """Measure each number of millions and print the table."""
    sizes = [int(word) for word in sys.argv[1:]] or [1, 3, 10]
    console, costs = Console(stderr=True), {}
    with tempfile.TemporaryDirectory() as folder:
        project = prepare(Size(MILLION), Path(folder))
        measure(project, "ml", "adopt", "table.csv", "--target", "left", "--time", "seen")
        (project / "encode.py").write_text(ENCODE, encoding="utf-8")
        for millions in sorted(sizes):
            repeat(project, millions)
            steps: dict[str, Cost] = {}
            for name in STEPS:
                with console.status(f"{millions} million rows: {name}"):
                    steps[name] = measure(project, f"ml.pipeline.{name}")
            with console.status(f"{millions} million rows: encode"):
                steps["encode"] = measure(project, "encode")
            for name, cost in steps.items():
                console.print(f"{millions}M: {name}: {cost.seconds:.1f} s, {cost.peak_mib:.0f} MiB")
            costs[Size(millions * MILLION)] = steps
        shutil.rmtree(project)
    Console().print(report(costs))


if __name__ == "__main__":
    main()

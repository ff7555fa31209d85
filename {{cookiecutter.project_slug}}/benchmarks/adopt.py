"""Seconds and peak memory of adopt and every stage: 10k, 100k and 1M rows x 18 columns, or others.

Makes seeded tables of mixed kinds in a temporary project beside this one's code; each step is a
process of its own, so that its peak is its own. Writes nothing here.
Run: `python -m benchmarks.adopt`, or with sizes: rows, rows x columns, rows x columns x classes
(`python -m benchmarks.adopt 50000 5000x2000 10000x20x100`).
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parents[1]
COLUMNS, CLASSES = 18, 2  # where a size names rows alone
STAGES = ("ingest", "validate", "split", "train", "evaluate", "export")
MEGABYTE = 1024  # ru_maxrss counts kibibytes on Linux


@dataclass(frozen=True)
class Cost:
    """What one step took."""

    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Size:
    """Of a table."""

    rows: int
    columns: int = COLUMNS
    classes: int = CLASSES

    def __str__(self) -> str:
        more = f" x {self.columns:,}" if self.columns != COLUMNS else ""
        return f"{self.rows:,}{more}" + (f", {self.classes} classes" if self.classes > 2 else "")


SIZES = (Size(10_000), Size(100_000), Size(1_000_000))


def size(word: str) -> Size:
    """`10000`, `5000x2000` or `10000x20x100`."""
    return Size(*map(int, word.split("x")))


def wide_table(size: Size) -> pd.DataFrame:
    """The table of `table`, other classes, and as many more columns as are asked for."""
    narrow, rng = table(size.rows), np.random.default_rng(1)
    more = rng.normal(0, 1, (size.rows, max(0, size.columns - COLUMNS))).round(3)
    wide = pd.DataFrame(more, columns=[f"more{i}" for i in range(more.shape[1])])
    letters = dict.fromkeys(wide.columns[::10])  # a tenth of them are levels
    wide = wide.assign(**{name: rng.choice(list("abcdef"), size.rows) for name in letters})
    if size.classes > 2:
        order = pd.Series(narrow["x0"] + 0.5 * narrow["x1"] + rng.normal(0, 0.3, size.rows))
        narrow["left"] = "class " + pd.qcut(order, size.classes, labels=False).astype(str)
    return pd.concat([wide, narrow], axis=1)


def table(rows: int) -> pd.DataFrame:
    """A binary target and 17 columns: numbers, money, gaps, dates, codes, many levels, an id."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (rows, 7)).round(4)
    score = x[:, 0] + 0.8 * x[:, 1] * x[:, 2]
    seen = pd.Timestamp("2022-01-01") + pd.to_timedelta(
        np.sort(rng.integers(0, 86_400 * 700, rows)), unit="s"
    )
    return pd.DataFrame(
        {
            "id": [f"k{i:08d}" for i in rng.permutation(rows)],
            "seen": seen.strftime("%Y-%m-%d %H:%M:%S"),
            **{f"x{i}": x[:, i] for i in range(7)},
            "city": [f"c{k}" for k in rng.zipf(1.5, rows) % 2000],
            "plan": rng.choice(["a", "b", "c"], rows),
            "flag": rng.choice(["yes", "no"], rows),
            "visits": rng.integers(0, 500, rows),
            "price": [f"${v:,.2f}" for v in rng.uniform(1, 9999, rows)],
            "gap": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(50, 9, rows).round(2)),
            "zip": [f"{z:05d}" for z in rng.integers(0, 800, rows) * 37],
            "age": rng.integers(18, 90, rows),
            "left": np.where(rng.random(rows) < 1 / (1 + np.exp(-score)), "yes", "no"),
        }
    )


def write(size: Size, path: Path) -> None:
    """Make the table and write it as CSV."""
    wide_table(size).to_csv(path, index=False)


def measure(project: Path, *words: str) -> Cost:
    """Run one step and wait for it; its own peak, not that of the steps before."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=project, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(words)} failed with status {process.returncode}")
    return Cost(time.perf_counter() - start, peak(usage))


def peak(usage: resource.struct_rusage) -> float:
    """Peak resident memory in MiB."""
    return usage.ru_maxrss / MEGABYTE


def prepare(size: Size, folder: Path) -> Path:
    """A project of this code with a table of that size beside it, in a git repository."""
    project = folder / f"{size.rows}x{size.columns}x{size.classes}"
    for part in ("ml", "params.yaml", "dvc.yaml", ".dvc", ".dvcignore", ".gitignore"):
        copy = shutil.copytree if (HERE / part).is_dir() else shutil.copyfile
        (project / part).parent.mkdir(parents=True, exist_ok=True)
        copy(HERE / part, project / part)
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    make = multiprocessing.get_context("spawn").Process(
        target=write, args=(size, project / "table.csv")
    )
    # a child inherits the peak of the process that starts it: this one must stay small
    make.start()
    make.join()
    return project


def run(size: Size, folder: Path, console: Console) -> dict[str, Cost]:
    """Every step's cost for a table of that size."""
    project = prepare(size, folder)
    words: dict[str, tuple[str, ...]] = {
        "adopt": ("ml", "adopt", "table.csv", "--target", "left", "--time", "seen")
    }
    words |= {stage: (f"ml.pipeline.{stage}",) for stage in STAGES}
    costs = {}
    for step, command in words.items():
        with console.status(f"{size}: {step}"):
            costs[step] = measure(project, *command)
        console.print(
            f"{size}: {step}: {costs[step].seconds:.1f} s, {costs[step].peak_mib:.0f} MiB"
        )
    return costs


def report(costs: dict[Size, dict[str, Cost]]) -> Table:
    """A row for each step: seconds and MiB at each size, and how seconds grow with the rows."""
    made = Table("step", title="seconds · peak MiB")
    for each in costs:
        made.add_column(str(each), justify="right")
    made.add_column("growth", justify="right")
    first, last = (choose(costs, key=lambda each: each.rows) for choose in (min, max))
    for step in costs[first]:
        cells = [f"{c[step].seconds:.1f} s · {c[step].peak_mib:.0f}" for c in costs.values()]
        made.add_row(step, *cells, f"x{costs[last][step].seconds / costs[first][step].seconds:.1f}")
    return made


def main() -> None:
    """Measure each size and print the table."""
    sizes = [size(word) for word in sys.argv[1:]] or list(SIZES)
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder:
        costs = {each: run(each, Path(folder), console) for each in sizes}
    Console().print(report(costs))
    first, last = (choose(each.rows for each in sizes) for choose in (min, max))
    Console().print(f"growth: {last:,} rows against {first:,}, x{last / first:g} the rows")


if __name__ == "__main__":
    main()

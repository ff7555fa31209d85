"""Seconds from a file to a judged service, beside a plain script that does the same without one.

Steps of a new project: `ml adopt`, `dvc repro`, `dvc repro` again, `ml release`, `ml monitor` on
1,000 answered rows, `ml --help`. The floor is benchmarks/plain.py on the same file. Rounds take
turns, each in a new project, so that every stage runs; the figures are medians over the rounds.
Seconds hold for one machine, their ratios on others too, if little else runs there; the ratios of
processor seconds (user and system, children included) hold on a busy machine too. Each stage is run
once more by itself, with Python's own clock of its imports.

Makes seeded tables in a temporary project beside this one's code; writes nothing here.
Run: `python -m benchmarks.first_hour` (or `python -m benchmarks.first_hour 344 --rounds 1`).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.adopt import STAGES, table

HERE = Path(__file__).parents[1]
PLAIN = HERE / "benchmarks" / "plain.py"
SIZES = (344, 100_000)
ANSWERED = 1000  # rows that the monitor looks at
COPIED = (
    "ml",
    "params.yaml",
    "recipe.yaml",
    "dvc.yaml",
    ".dvc",
    ".dvcignore",
    ".gitignore",
    "pyproject.toml",
)
PR_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost")
ANSWER = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from ml.contract import load_contract
from ml.dataset.frame import read_table, rows_of_frame
from ml.pipeline.artifacts import TEST
from ml.serving.api.app import create_app
from ml.serving.settings import load_settings

contract = load_contract()
frame = read_table(TEST, contract).sample(int(sys.argv[1]), replace=True, random_state=0)
with TestClient(create_app(load_settings()), base_url="http://127.0.0.1") as client:
    answer = client.post("/predict", json=rows_of_frame(frame, contract))
    assert answer.status_code == 200, answer.text
"""
IMPORT_LINE = re.compile(r"^import time:\s+(\d+) \|", re.MULTILINE)


def small_table(rows: int) -> pd.DataFrame:
    """Three classes, four measures, two texts, a year; some values missing."""
    rng = np.random.default_rng(0)
    kind = rng.choice(3, rows, p=[0.44, 0.2, 0.36])
    measures = rng.normal(0, 1, (rows, 4)) + kind[:, None] * np.array([1.0, 0.5, -0.8, 1.4])
    measures[rng.random((rows, 4)) < 0.02] = np.nan
    return pd.DataFrame(
        {
            **{f"measure{i}": measures[:, i].round(1) for i in range(4)},
            "place": rng.choice(["north", "south", "west"], rows),
            "sex": rng.choice(["female", "male"], rows),
            "left": np.array(["a", "b", "c"])[kind],
        }
    )


def write_table(rows: int, path: Path) -> None:
    """A small table of few columns, or the wider one of benchmarks/adopt.py."""
    made = small_table(rows) if rows < 10_000 else table(rows)
    made.to_csv(path, index=False)


def make_project(folder: Path, rows: int) -> Path:
    """A project of this code with the table beside it, in a git repository."""
    project = Path(tempfile.mkdtemp(dir=folder))
    for part in COPIED:
        copy = shutil.copytree if (HERE / part).is_dir() else shutil.copyfile
        (project / part).parent.mkdir(parents=True, exist_ok=True)
        copy(HERE / part, project / part)
    write_table(rows, project / "table.csv")
    subprocess.run([*GIT, "init", "-q"], cwd=project, check=True)
    commit(project)
    return project


def commit(project: Path) -> None:
    """Commit everything, so that a release knows where it comes from."""
    subprocess.run([*GIT, "add", "--all"], cwd=project, check=True)
    subprocess.run([*GIT, "commit", "-q", "--allow-empty", "-m", "step"], cwd=project, check=True)


class Cost(NamedTuple):
    """What one step took."""

    seconds: float
    processor: float  # seconds, of the step and the processes that it waited for

    def __add__(self, other: Cost) -> Cost:  # type: ignore[override]
        return Cost(self.seconds + other.seconds, self.processor + other.processor)


def measure(
    project: Path, *words: str, allowed: tuple[int, ...] = (0,), orphans: bool = True
) -> Cost:
    """Run one command of the project and wait for it, then for what it leaves behind."""
    environment = os.environ | {"PYTHONPATH": str(project), "DO_NOT_TRACK": "1"}
    start, used = time.perf_counter(), processor_seconds()
    done = subprocess.run(
        [sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True
    )
    took = time.perf_counter() - start
    if orphans:  # their processor seconds count, and the next step has the machine to itself
        wait_for_orphans()
    cost = Cost(took, processor_seconds() - used)
    if done.returncode not in allowed:
        sys.exit(f"{' '.join(words)} ended with status {done.returncode}\n{done.stderr}")
    return cost


def adopt_orphans() -> None:
    """Let processes that a command leaves behind become children of this one (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def wait_for_orphans() -> Cost:
    """Wait for all processes that were left behind; what they still take."""
    start, used = time.perf_counter(), processor_seconds()
    with suppress(ChildProcessError):
        while True:
            os.wait()
    return Cost(time.perf_counter() - start, processor_seconds() - used)


def processor_seconds() -> float:
    """Of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def import_seconds(project: Path, stage: str) -> float:
    """What the imports of a stage take, by `python -X importtime`."""
    environment = os.environ | {"PYTHONPATH": str(project)}
    command = [sys.executable, "-X", "importtime", "-m", f"ml.pipeline.{stage}"]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    return sum(map(int, IMPORT_LINE.findall(done.stderr))) / 1e6


def answer_rows(project: Path) -> None:
    """Let the service answer rows of the held-out table, so that there is something to monitor."""
    subprocess.run([sys.executable, "-c", ANSWER, str(ANSWERED)], cwd=project, check=True)


def run(project: Path) -> dict[str, Cost]:
    """What each step takes, in the order in which a person takes them."""
    target = ("--target", "left")
    costs = {"plain script": measure(project, str(PLAIN), "table.csv", "left")}
    costs["ml adopt"] = measure(project, "-m", "ml", "adopt", "table.csv", *target)
    costs["dvc repro"] = measure(project, "-m", "dvc", "repro")
    commit(project)
    costs["dvc repro, nothing to do"] = measure(project, "-m", "dvc", "repro")
    costs["ml release"] = measure(project, "-m", "ml", "release", allowed=(0, 3))
    answer_rows(project)
    costs["ml monitor"] = measure(project, "-m", "ml", "monitor", allowed=(0, 3, 4), orphans=False)
    costs["Evidently's pages after it"] = wait_for_orphans()
    costs["ml --help"] = measure(project, "-m", "ml", "--help")
    return costs


def report(costs: dict[int, list[dict[str, Cost]]], imports: dict[int, dict[str, float]]) -> Table:
    """Median seconds of each step and its ratio to the plain script; imports of each stage."""
    title = "seconds (times the plain script; times its processor seconds)"
    shown = Table("step", title=title, title_justify="left")
    for rows in costs:
        shown.add_column(f"{rows:,} rows", justify="right")
    medians = {rows: median_costs(rounds) for rows, rounds in costs.items()}
    for step in next(iter(medians.values())):
        shown.add_row(step, *(figure(m[step], m["plain script"]) for m in medians.values()))
    for stage in STAGES:
        shown.add_row(f"imports of {stage}", *(f"{of[stage]:.2f}" for of in imports.values()))
    return shown


def median_costs(rounds: list[dict[str, Cost]]) -> dict[str, Cost]:
    """Medians over the rounds, and adopt and the first flow together."""
    medians = {
        step: Cost(
            *(statistics.median(part) for part in zip(*(r[step] for r in rounds), strict=True))
        )
        for step in rounds[0]
    }
    return medians | {"adopt + repro": medians["ml adopt"] + medians["dvc repro"]}


def figure(took: Cost, plain: Cost) -> str:
    """Seconds, how often the plain script's, and the same of processor seconds."""
    ratios = (took.seconds / plain.seconds, took.processor / plain.processor)
    return f"{took.seconds:.2f} ({ratios[0]:.2f} x; {ratios[1]:.2f} x)"


def main() -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    adopt_orphans()
    console = Console(stderr=True)
    costs, imports = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in chosen.sizes:
            projects = [make_project(Path(folder), rows) for _ in range(chosen.rounds)]
            with console.status(f"{rows:,} rows"):
                costs[rows] = [run(project) for project in projects]
                imports[rows] = {stage: import_seconds(projects[0], stage) for stage in STAGES}
    Console().print(report(costs, imports))


if __name__ == "__main__":
    main()

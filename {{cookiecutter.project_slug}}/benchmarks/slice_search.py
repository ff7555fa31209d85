"""How often the slice search names a slice that is not worse, and finds one that is.

Writes: reports/benchmarks/slices.json. Run: `python -m benchmarks.slice_search` (a minute).
The rows are simulated: eight columns of three to eight levels, answers that are right as often as
the model's confidence says (85 % on average; one level is harder, and the model knows), but in one
planted slice less often.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.atomic import write_json
from ml.fairness.slice_search import Levels, worse_slices

REPORT = Path("reports/benchmarks/slices.json")
RUNS = 400
MIN_ROWS = 30
LEVELS = (3, 3, 4, 5, 4, 3, 6, 8)  # of each column
# shares of the levels of the first columns; the planted slices have 5 % of the rows
SHARES = ((0.6, 0.35, 0.05), (0.5, 0.3, 0.2), (0.25, 0.25, 0.25, 0.25))
LEVEL, PAIR = (("c0", "l2"),), (("c1", "l2"), ("c2", "l0"))

Where = tuple[tuple[str, str], ...]


class Case(NamedTuple):
    """What is planted.

    Args:
        name: of the case.
        where: the slice.
        lost: share of its answers that are wrong beyond what the model expects.
        rows: in all.
    """

    name: str
    where: Where
    lost: float
    rows: int = 4000


CASES = (
    Case("nothing planted", LEVEL, 0.0),
    Case("a level of 5 %, 15 points lost", LEVEL, 0.15),
    Case("a pair of 5 %, 15 points lost", PAIR, 0.15),
    Case("a level of 5 %, 8 points lost", LEVEL, 0.08),
    Case("a pair of 5 %, 8 points lost", PAIR, 0.08),
    Case("nothing planted, 1,000 rows", LEVEL, 0.0, 1000),
    Case("a level of 5 %, 15 points lost, 1,000 rows", LEVEL, 0.15, 1000),
    Case("a level of 5 %, 15 points lost, 20,000 rows", LEVEL, 0.15, 20_000),
)


class Simulated(NamedTuple):
    """Columns, and what became of the answers."""

    columns: list[Levels]
    wrong: NDArray[np.bool_]
    confidence: NDArray[np.float64]


def simulated(case: Case, seed: int) -> Simulated:
    """The rows of a case."""
    rng = np.random.default_rng(seed)
    columns = [_column(rng, i, case.rows) for i in range(len(LEVELS))]
    confidence = 0.5 + 0.5 * rng.beta(3, 1, case.rows)
    harder = columns[3].codes == 0
    confidence = np.where(harder, 0.5 + (confidence - 0.5) / 2, confidence)
    right = confidence - case.lost * _inside(columns, case.where)
    return Simulated(columns, rng.random(case.rows) > right, confidence)


def _column(rng: np.random.Generator, i: int, n: int) -> Levels:
    shares = np.array(SHARES[i]) if i < len(SHARES) else rng.dirichlet(np.full(LEVELS[i], 5.0))
    names = tuple(f"l{level}" for level in range(LEVELS[i]))
    return Levels(f"c{i}", names, rng.choice(LEVELS[i], n, p=shares))


def _inside(columns: list[Levels], where: Where) -> NDArray[np.bool_]:
    levels = {each.column: each for each in columns}
    masks = [levels[c].codes == levels[c].names.index(name) for c, name in where]
    return np.asarray(np.logical_and.reduce(masks))


def shares(case: Case, runs: int) -> tuple[float, float]:
    """Share of the runs that name any slice, and that name the planted one."""
    named = found = 0
    for seed in range(runs):
        slices = worse_slices(*simulated(case, seed), MIN_ROWS)
        named += bool(slices)
        found += any(each.where == case.where for each in slices)
    return named / runs, found / runs


def main() -> None:
    """Run every case; print the table, write it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    runs = parser.parse_args().runs
    report = []
    for case in CASES:
        named, found = shares(case, runs)
        error = math.sqrt(max(named * (1 - named), 1 / runs) / runs)
        print(f"{case.name:46} any {named:6.1%} ± {error:.1%}   planted {found:6.1%}", flush=True)
        report.append({"case": case.name, "rows": case.rows, "any": named, "planted": found})
    write_json(REPORT, {"runs": runs, "cases": report})


if __name__ == "__main__":
    main()

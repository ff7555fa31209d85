"""How often does a probation roll back a healthy champion, and how surely a bad one? Simulated.

The decision's own code judges simulated outcomes and requests, look by look, until it comes to an
end. Quality: two models that disagree on a share of the rows (or, of numbers, whose errors differ),
rows independent or alike in runs of 3 or 20; the new one is as good as the one before, or worse by
five points (of numbers: by five hundredths of the mean absolute error). Service: requests that fail
at the rate before, or more often.

Reads: params.yaml (loop.probation). Writes: reports/benchmarks/probation.json.
Run: `make calibrate-gate` (or `python -m benchmarks.probation_errors`, with another seed `… 7`).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ml.loop.probation.decision import Counts, Strays, quality_clock, service_clock
from ml.params import load_params
from ml.pipeline.stage import run_stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.params import Probation

    Floats = NDArray[np.float64]

RESULT = Path("reports/benchmarks/probation.json")
TRIALS = 200
MOST = 6000  # outcomes at most; then a person would be asked
STEP = 100  # outcomes between two looks
RUN = 20  # rows in a row that are alike, where they are
WORSE = 0.05
PARTS, PART = 40, 25  # readings of the service, and requests between two
FAILS = 0.002  # of a service's requests, before and after


@dataclass(frozen=True)
class Case:
    """How two models' losses differ.

    Args:
        kind: `class` or `number`.
        apart: share of the rows on which they disagree; of numbers the spread of the errors'
            difference, in mean absolute errors.
        alike: rows in a row that are alike; 1: all are independent.
    """

    kind: str
    apart: float
    alike: int = 1

    @property
    def name(self) -> str:
        """In words."""
        what = {"class": "disagree on", "number": "errors differ by"}[self.kind]
        return f"{what} {self.apart:.0%}" + (f", runs of {self.alike}" if self.alike > 1 else "")


CASES = (
    Case("class", 0.06),
    Case("class", 0.1),
    Case("class", 0.2),
    Case("class", 0.3),
    Case("class", 0.1, 3),
    Case("class", 0.1, RUN),
    Case("number", 0.3),
    Case("number", 0.6),
)


def losses(rng: np.random.Generator, case: Case, worse: float) -> tuple[Floats, Floats]:
    """Losses of the new champion and of the one before, (MOST,) each."""
    n = MOST // case.alike
    if case.kind == "class":
        drawn = rng.random(n)
        better, lost = (case.apart - worse) / 2, (case.apart + worse) / 2
        before = (drawn < better).astype(float)
        new = ((drawn >= better) & (drawn < better + lost)).astype(float)
    else:
        before = np.abs(rng.normal(0, np.sqrt(np.pi / 2), n))  # a mean absolute error of 1
        new = before + rng.normal(worse, case.apart, n)
    return np.repeat(new, case.alike), np.repeat(before, case.alike)


def quality_end(new: Floats, before: Floats, settings: Probation, scale: float = 1.0) -> str:
    """What the quality clock comes to, looked at again and again: good, bad or unknown."""
    for n in range(settings.min_labels, len(new) + 1, STEP):
        clock = quality_clock(new[:n], before[:n], settings, scale)
        if clock.state != "unknown":
            return clock.state
    return "unknown"


def service_end(rng: np.random.Generator, failing: float, settings: Probation) -> str:
    """What the service clock comes to in 1,000 requests."""
    before = Counts(5000, int(rng.binomial(5000, FAILS)), 50)
    parts = [
        Counts(PART, int(rng.binomial(PART, failing)), int(rng.binomial(PART, 0.01)))
        for _ in range(PARTS)
    ]
    for n in range(1, PARTS + 1):
        clock = service_clock(before, parts[:n], Strays(), settings)
        if clock.state == "bad":
            return "bad"
    return clock.state


Rates = dict[str, dict[str, float]]


def measured(settings: Probation, seed: int, trials: int = TRIALS) -> Rates:
    """Shares of promotions that are rolled back, by case: as good as before, and worse."""
    rates: Rates = {}
    for i, case in enumerate(track(CASES, "outcomes", console=Console(stderr=True))):
        rng = np.random.default_rng([seed, i])
        rates[case.name] = {
            "healthy": _share(
                [quality_end(*losses(rng, case, 0.0), settings) for _ in range(trials)]
            ),
            "worse": _share(
                [quality_end(*losses(rng, case, WORSE), settings) for _ in range(trials)]
            ),
        }
    rng = np.random.default_rng([seed, len(CASES)])
    rates["requests, 5% fail"] = {
        "healthy": _share([service_end(rng, FAILS, settings) for _ in range(trials)]),
        "worse": _share([service_end(rng, WORSE, settings) for _ in range(trials)]),
    }
    return rates


def _share(ends: list[str]) -> float:
    return Counter(ends)["bad"] / len(ends)


def main() -> None:
    """Measure, write and print."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    rates = measured(load_params().loop.probation, seed)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"seed": seed, "trials": TRIALS, "rolled_back": rates}, indent=1))
    table = Table("probation", "healthy rolled back", "5 points worse rolled back")
    for name, row in rates.items():
        table.add_row(name, f"{row['healthy']:.1%}", f"{row['worse']:.1%}")
    Console().print(table)


if __name__ == "__main__":
    run_stage(main)

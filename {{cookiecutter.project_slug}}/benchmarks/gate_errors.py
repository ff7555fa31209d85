"""How often does the gate promote a model that is no better, and refuse one that is? Simulated.

Two models of known quality answer the same rows (`benchmarks.simulated_models`); the gate's own
rules judge them (`ml.release.gate.decide.judge`). The rules on a bundle alone (golden rows, parity,
latency) have no error rate of this kind.

Reads: params.yaml (release, monitor, evaluate). Writes: reports/benchmarks/gate.json.
Run: `make calibrate-gate` (`python -m benchmarks.gate_errors`, with another seed `… 7`); some
minutes on two cores.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.simulated_models import Case, drawn, overall, reference_for
from ml.params import load_params
from ml.pipeline.stage import run_stage
from ml.release.gate.decide import judge

if TYPE_CHECKING:
    from ml.params import Params

RATES = Path("reports/benchmarks/gate.json")
FEWER = 200  # trials of a case that the bars do not name
AT_ONCE = 25  # trials of one task of the pool
SEED = 2_000_000
POINT = 0.01


class Rate(NamedTuple):
    """A case and what its rate should be.

    Args:
        case: the two models.
        least: share of promotions that is asked for at least.
        most: and at most.
        setting: another one than params.yaml's, or after a proven loss of the champion.
        trials: comparisons.
    """

    case: Case
    least: float = 0.0
    most: float = 1.0
    setting: Literal["", "min_gain: null", "after decay"] = ""
    trials: int = 400


LOST = -5 * POINT  # in the slice, a tenth of the rows
ACCURACY = "accuracy"
SLICE = Case("worse in a tenth of the rows, else equal", "binary", ACCURACY, slice_gain=LOST)
WORSE = Case("2 points worse", "binary", ACCURACY, gain=-2 * POINT)
NUMBERS = Case(SLICE.name, "regression", "r2", slice_gain=LOST)


def net_gain(rows: int) -> Case:
    """Worse in the slice, and so much better elsewhere that it gains a point in all."""
    name = "worse in a tenth of the rows, +1 point in all"
    return overall(Case(name, "binary", ACCURACY, rows=rows, slice_gain=LOST), POINT)


CASES: tuple[Rate, ...] = (
    Rate(Case("equal", "binary", ACCURACY), most=0.07),
    Rate(Case("equal", "binary", "roc_auc"), most=0.07),
    Rate(Case("equal", "regression", "r2"), most=0.07),
    Rate(Case("equal, few rows", "binary", "roc_auc", rows=200), most=0.07),
    Rate(Case("equal, rows depend in time", "regression", "r2", in_time=True), most=0.07),
    Rate(Case("equal, the best of three", "binary", ACCURACY, tried=3), most=0.07),
    Rate(Case("+2 points", "binary", ACCURACY, gain=2 * POINT), least=0.8),
    Rate(Case("+2 points of accuracy", "binary", "roc_auc", gain=2 * POINT), least=0.8),
    Rate(Case("+2 points", "regression", "r2", gain=2 * POINT), least=0.8),
    Rate(SLICE, most=0.02),
    Rate(NUMBERS, most=0.02),
    Rate(net_gain(2000), trials=FEWER),
    Rate(net_gain(10_000), trials=FEWER),
    Rate(Case("equal", "binary", ACCURACY), setting="min_gain: null", trials=FEWER),
    Rate(WORSE, most=0.07, setting="min_gain: null", trials=FEWER),
    Rate(Case("equal", "binary", ACCURACY), setting="after decay", trials=FEWER),
    Rate(WORSE, most=0.07, setting="after decay", trials=FEWER),
    Rate(Case("+2 points", "binary", ACCURACY, gain=2 * POINT), 0.8, 1.0, "after decay", FEWER),
    Rate(SLICE, setting="after decay", trials=FEWER),
)


def settings_of(rate: Rate, params: Params) -> Params:
    """params.yaml's settings; another minimum gain where the case asks for it."""
    if rate.setting != "min_gain: null":
        return params
    release = params.release.model_copy(update={"min_gain": None})
    return params.model_copy(update={"release": release})


def judged(rate: Rate, params: Params, seeds: range) -> list[tuple[str, ...]]:
    """The rules that fail, for each trial of one champion; none: promoted."""
    settings = settings_of(rate, params)
    reference = reference_for(rate.case, np.random.default_rng(seeds.start))
    found = []
    for seed in seeds:
        compared = drawn(rate.case, np.random.default_rng([seed, 1]), reference)
        checks = judge(compared, settings, decayed=rate.setting == "after decay")
        found.append(tuple(check.name for check in checks if not check.passed))
    return found


def summary(rate: Rate, trials: list[tuple[str, ...]]) -> dict[str, Any]:
    """Share of promotions with its binomial standard error, and the share that each rule fails."""
    n = len(trials)
    share = sum(not failed for failed in trials) / n
    counts = Counter(rule for failed in trials for rule in failed)
    case = rate.case
    return {
        "case": case.name,
        "task": case.task,
        "metric": case.metric,
        "rows": case.rows,
        "setting": rate.setting,
        "trials": n,
        "promoted": share,
        "standard_error": math.sqrt(share * (1 - share) / n),
        "at_least": rate.least,
        "at_most": rate.most,
        "fails": {rule: count / n for rule, count in counts.most_common()},
    }


def measure_all(params: Params, console: Console, seed: int) -> list[dict[str, Any]]:
    """Every case, its trials spread over processes."""
    found: list[list[tuple[str, ...]]] = [[] for _ in CASES]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        tasks = {
            pool.submit(judged, rate, params, range(start, start + AT_ONCE)): i
            for i, rate in enumerate(CASES)
            for start in range(seed, seed + rate.trials, AT_ONCE)
        }
        done = as_completed(tasks)
        for task in track(done, "Gate", total=len(tasks), console=console):
            found[tasks[task]] += task.result()
    return [summary(rate, of) for rate, of in zip(CASES, found, strict=True)]


def table(rates: list[dict[str, Any]]) -> Table:
    """The table of docs/release.md for a terminal."""
    made = Table("challenger", "judged by", "rows", "promoted", "asked for", title="The gate")
    for rate in rates:
        error = f"{rate['promoted']:.1%} ± {rate['standard_error']:.1%}"
        name = rate["case"] + (f" ({rate['setting']})" if rate["setting"] else "")
        made.add_row(name, rate["metric"], f"{rate['rows']:,}", error, _asked_for(rate))
    return made


def _asked_for(rate: dict[str, Any]) -> str:
    if rate["at_least"]:
        return f"≥ {rate['at_least']:.0%}"
    return f"≤ {rate['at_most']:.0%}" if rate["at_most"] < 1 else ""


def main() -> None:
    """Measure, print, write."""
    console, seed = Console(stderr=True), int(sys.argv[1]) if sys.argv[1:] else SEED
    params = load_params()
    rates = measure_all(params, console, seed)
    settings = {"release": params.release.model_dump(), "max_loss": params.monitor.max_loss}
    RATES.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"seed": seed, "settings": settings, "gate": rates}, indent=1)
    RATES.write_text(text + "\n", encoding="utf-8")
    Console().print(table(rates), str(RATES), sep="\n")


if __name__ == "__main__":
    run_stage(main)

"""How often does the monitor cry wolf, and what does it see? Measured on simulated columns, seeded.

Ten columns, in two mixes: two each of normal, log-normal, 2, 12 and 50 levels, and one with fewer
numbers. A reference is drawn, windows follow it, the monitor's own tests judge them
(`ml.monitoring.statistics.profile`, `shift`, `drift`). Healthy windows are drawn row by row (iid),
from AR(1) series (0.9) and from daily cycles; the others have one column of ten changed.

Reads: params.yaml (monitor). Writes: reports/benchmarks/calibration.json.
Run: `make calibrate` (`python -m benchmarks.false_alarms`, with another seed `… 7`); some five
minutes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import signal, special, stats

from ml.monitoring.statistics.column_tests import shift
from ml.monitoring.statistics.multiple_testing import rejected
from ml.monitoring.statistics.profile import level_profile, number_profile, tally
from ml.params import load_params
from ml.pipeline.stage import run_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ml.monitoring.statistics.profile import Profile
    from ml.params import Monitor

    Floats = NDArray[np.float64]
    Change = Callable[[Floats, np.random.Generator], Floats]
    Case = dict[int, Change]  # column → what happens to it
    Mix = tuple["Kind", ...]

CALIBRATION = Path("reports/benchmarks/calibration.json")
REFERENCE_ROWS = 20_000
SIZES = (200, 500, 2000)
PSI = 0.2
HEALTHY: Mapping[str, Case] = {"healthy": {}}


@dataclass(frozen=True)
class Kind:
    """A simulated column: a number made of a standard normal, or levels with their shares."""

    name: str
    shares: tuple[float, ...] = ()

    def of(self, normal: Floats) -> Floats:
        """Standard normal values as this column's."""
        if self.shares:
            edges = special.ndtri(np.cumsum(self.shares)[:-1])
            return np.asarray(np.searchsorted(edges, normal), dtype=np.float64)
        made: Floats = np.exp(normal) if self.name == "log-normal" else normal
        return made


def _falling(levels: int) -> tuple[float, ...]:
    weight = np.arange(1, levels + 1) ** -0.7
    return tuple((weight / weight.sum()).tolist())


MIXES: dict[str, Mix] = {
    "even": (
        Kind("normal"),
        Kind("normal"),
        Kind("log-normal"),
        Kind("log-normal"),
        Kind("2 levels", (0.5, 0.5)),
        Kind("2 levels", (0.8, 0.2)),
        Kind("12 levels", (1 / 12,) * 12),
        Kind("12 levels", _falling(12)),
        Kind("50 levels", (1 / 50,) * 50),
        Kind("50 levels", _falling(50)),
    ),
    "fewer_numbers": (
        Kind("normal"),
        Kind("normal"),
        Kind("log-normal"),
        Kind("2 levels", (0.5, 0.5)),
        Kind("2 levels", (0.8, 0.2)),
        Kind("12 levels", (1 / 12,) * 12),
        Kind("12 levels", (0.3, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.04, 0.03, 0.02, 0.01)),
        Kind("12 levels", _falling(12)),
        Kind("50 levels", (1 / 50,) * 50),
        Kind("50 levels", _falling(50)),
    ),
}


def rows(process: str, size: int, rng: np.random.Generator) -> Floats:
    """Standard normal rows in order of time: iid, ar1, or a daily cycle of 24 rows under noise."""
    if process == "iid":
        return rng.standard_normal(size)
    if process == "ar1":
        noise = rng.standard_normal(size + 200) * np.sqrt(1 - 0.9**2)
        return np.asarray(signal.lfilter([1.0], [1.0, -0.9], noise)[200:])
    wave = np.sqrt(2) * np.sin(2 * np.pi * (np.arange(size) / 24 + rng.random()))
    return np.asarray(np.sqrt(0.5) * wave + np.sqrt(0.5) * rng.standard_normal(size))


def tickets(
    process: str,
    size: int,
    references: int,
    windows: int,
    settings: Monitor,
    seed: int,
    mix: Mix = MIXES["even"],
    cases: Mapping[str, Case] = HEALTHY,
) -> dict[str, NDArray[np.bool_]]:
    """Whether each window of each case gets a ticket, (references, windows).

    Windows follow their reference in time.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in cases}
    for _ in range(references):
        columns = [_column(kind, process, windows, size, rng) for kind in mix]
        healthy = [shift(profile, tally(profile, now)) for profile, now in columns]
        for name, case in cases.items():
            made = list(healthy)
            for place, change in case.items():
                profile, now = columns[place]
                made[place] = shift(profile, tally(profile, change(now, rng)))
            passed = rejected(made, settings.false_alarm, settings.min_psi)
            found[name].append(np.asarray(np.concatenate(passed, axis=-1).any(axis=-1)))
    return {name: np.array(shown) for name, shown in found.items()}


def _column(
    kind: Kind, process: str, windows: int, size: int, rng: np.random.Generator
) -> tuple[Profile, Floats]:
    """A reference's profile and the windows after it, (windows, size)."""
    series = kind.of(rows(process, REFERENCE_ROWS + windows * size, rng))
    before, now = series[:REFERENCE_ROWS], series[REFERENCE_ROWS:].reshape(windows, size)
    if kind.shares:
        return level_profile(
            kind.name, before.astype(np.int64), len(kind.shares), ordered=True
        ), now
    return number_profile(kind.name, before, ordered=True), now


def location_for(psi: float) -> float:
    """Shift of a normal column in standard deviations: the index's root (Jeffreys 1946)."""
    return float(np.sqrt(psi))


def shares_for(psi: float, shares: tuple[float, ...], direction: Floats) -> Floats:
    """Shares tilted exponentially along a direction until the index is reached, by bisection."""
    p, direction = np.array(shares), (direction - direction.mean()) / direction.std()

    def tilted(strength: float) -> Floats:
        weight = p * np.exp(strength * direction)
        made: Floats = weight / weight.sum()
        return made

    low, high = 0.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        q = tilted(middle)
        low, high = (middle, high) if ((q - p) * np.log(q / p)).sum() < psi else (low, middle)
    return tilted(low)


def moved(by: float) -> Change:
    """A normal column moved by so many standard deviations."""
    return lambda now, _: now + by


def relevelled(kind: Kind, psi: float, spread: bool) -> Change:
    """A column's levels drawn anew with the index `psi`.

    It is spread over all levels at random, or is one level's growth.
    """
    shares = kind.shares

    def change(now: Floats, rng: np.random.Generator) -> Floats:
        direction = (
            rng.standard_normal(len(shares))
            if spread
            else (np.arange(len(shares)) == 1).astype(float)
        )
        return np.asarray(
            rng.choice(len(shares), now.shape, p=shares_for(psi, shares, direction)), dtype=float
        )

    return change


def replaced(share: float, value: float) -> Change:
    """A share of the rows replaced by a value (NaN: missing; beyond the last level: a new one)."""
    return lambda now, rng: np.where(rng.random(now.shape) < share, value, now)


def vanished(kind: Kind, level: int) -> Change:
    """A level that no row holds any more; its rows take the others in their proportion."""
    shares = np.array(kind.shares)
    shares[level] = 0.0
    return lambda now, rng: np.asarray(
        rng.choice(len(shares), now.shape, p=shares / shares.sum()), dtype=float
    )


def promised(mix: Mix) -> dict[str, Case]:
    """The changes that windows of 200 rows are to show."""
    two, even, falling = (
        _places(mix, "2 levels")[0],
        _places(mix, "12 levels")[0],
        _places(mix, "12 levels")[-1],
    )
    log_normal, fifty = _places(mix, "log-normal")[0], _places(mix, "50 levels")[-1]
    return {
        "psi_0.2_normal": {0: moved(location_for(PSI))},
        "psi_0.2_log_normal": {log_normal: lambda now, _: now * np.exp(location_for(PSI))},
        "psi_0.2_2_levels": {two: relevelled(mix[two], PSI, spread=True)},
        "psi_0.2_12_levels": {even: relevelled(mix[even], PSI, spread=True)},
        "psi_0.2_50_levels": {fifty: relevelled(mix[fifty], PSI, spread=False)},
        "missing_plus_5_percent": {0: replaced(0.05, np.nan)},
        "new_level_2_percent": {falling: replaced(0.02, 12.0)},
        "variance_times_1.5": {0: lambda now, _: now * np.sqrt(1.5)},
        "vanished_level": {falling: vanished(mix[falling], 2)},
    }


def beyond(mix: Mix) -> dict[str, Case]:
    """Changes that are not promised: shown so that nobody expects them."""
    falling, fifty = _places(mix, "12 levels")[-1], _places(mix, "50 levels")[0]
    return {
        "psi_0.2_12_uneven_levels": {falling: relevelled(mix[falling], PSI, spread=True)},
        "psi_0.2_50_levels_all_at_random": {fifty: relevelled(mix[fifty], PSI, spread=True)},
        "psi_0.1_normal": {0: moved(location_for(0.1))},
        "variance_divided_by_1.5": {0: lambda now, _: now / np.sqrt(1.5)},
    }


def _places(mix: Mix, name: str) -> list[int]:
    return [place for place, kind in enumerate(mix) if kind.name == name]


def upper_limit(count: int, of: int) -> float:
    """One-sided 95 % upper confidence limit of a share (Clopper, Pearson 1934)."""
    return 1.0 if count == of else float(stats.beta.ppf(0.95, count + 1, of - count))


def false_alarm(
    process: str, size: int, plan: tuple[int, int], settings: Monitor, seed: int, mix: Mix
) -> dict[str, float]:
    """Share of healthy windows with a ticket, and with one in the window before too: a page."""
    found = tickets(process, size, *plan, settings, seed + size, mix)["healthy"]
    count = int(found.sum())
    return {
        "windows": found.size,
        "ticket": count / found.size,
        "ticket_upper_95": upper_limit(count, found.size),
        "page": float((found[:, 1:] & found[:, :-1]).mean()),
    }


# references, and windows after each, by rows of a window
PLAN = {200: (100, 100), 500: (50, 80), 2000: (25, 80)}
POWER_SIZES = (200, 500)
POWER = (60, 60)
SEED = 1_000_000


def calibrate(settings: Monitor, console: Console, seed: int = SEED) -> dict[str, Any]:
    """All cases of both mixes, measured; the even one's figures stand at the top."""
    measured = {name: _mix(mix, settings, console, seed) for name, mix in MIXES.items()}
    return {
        "seed": seed,
        "reference_rows": REFERENCE_ROWS,
        "settings": {"false_alarm": settings.false_alarm, "min_psi": settings.min_psi},
        **measured.pop("even"),
        "other_mixes": measured,
        "page_at_psi_0.005_and_100000_rows": tiny_shift(settings, seed),
    }


def _mix(mix: Mix, settings: Monitor, console: Console, seed: int) -> dict[str, Any]:
    alarms: dict[str, dict[str, Any]] = {"iid": {}, "ar1": {}, "seasonal": {}}
    for process, size in track(
        [(p, s) for p in alarms for s in SIZES], "Healthy windows", console=console
    ):
        alarms[process][str(size)] = false_alarm(process, size, PLAN[size], settings, seed, mix)
    sure, more = promised(mix), beyond(mix)
    shown: dict[str, dict[str, float]] = {name: {} for name in sure | more}
    for size in track(POWER_SIZES, "Changed windows", console=console):
        for name, found in tickets(
            "iid", size, *POWER, settings, seed + size + 1, mix, sure | more
        ).items():
            shown[name][str(size)] = float(found.mean())
    return {
        "columns": [kind.name for kind in mix],
        "false_alarm": alarms,
        "power": {name: shown[name] for name in sure},
        "beyond": {name: shown[name] for name in more},
    }


def tiny_shift(settings: Monitor, seed: int, windows: int = 4) -> float:
    """Share of windows of 100,000 rows with PSI 0.005 in two numbers that get a ticket."""
    case: Case = {place: moved(location_for(0.005)) for place in (0, 1)}
    return float(
        tickets("iid", 100_000, 3, windows, settings, seed + 5, cases={"tiny": case})["tiny"].mean()
    )


def tables(found: dict[str, Any]) -> list[Table]:
    """The tables of docs/monitoring.md for a terminal."""
    mixes = {"even": found} | found["other_mixes"]
    return [table for name, one in mixes.items() for table in _tables(name.replace("_", " "), one)]


def _tables(mix: str, found: dict[str, Any]) -> list[Table]:
    alarms = Table(
        title=f"Healthy windows that get a ticket (95 % upper limit) / that page; mix: {mix}"
    )
    for head in ("rows are", *(f"{size} rows" for size in SIZES)):
        alarms.add_column(head)
    for process, by_size in found["false_alarm"].items():
        shown = [
            f"{c['ticket']:.2%} ({c['ticket_upper_95']:.2%}) / {c['page']:.3%}"
            for c in by_size.values()
        ]
        alarms.add_row(process, *shown)
    power = Table(title=f"Changed windows that get a ticket; mix: {mix}")
    for head in ("one column of ten", *(f"{size} rows" for size in POWER_SIZES)):
        power.add_column(head)
    for name, by_rows in (found["power"] | found["beyond"]).items():
        power.add_row(
            name + (" (not promised)" if name in found["beyond"] else ""),
            *(f"{v:.1%}" for v in by_rows.values()),
        )
    return [alarms, power]


def main() -> None:
    """Measure, print, write."""
    console = Console(stderr=True)
    found = calibrate(load_params().monitor, console, int(sys.argv[1]) if sys.argv[1:] else SEED)
    CALIBRATION.parent.mkdir(parents=True, exist_ok=True)
    CALIBRATION.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    Console().print(*tables(found), str(CALIBRATION), sep="\n")


if __name__ == "__main__":
    run_stage(main)

"""How often does the monitor flag healthy windows, how surely changed ones? Simulated and seeded.

Ten columns, in two mixes: two each of normal, log-normal, 2, 12 and 50 levels, and one with fewer
numbers. A reference is drawn, windows follow it, the monitor's own tests judge them
(`ml.statistics`). Healthy windows are drawn row by row (iid), from AR(1) series (0.9)
and from daily cycles; the others have one column of ten changed.

Reads: params.yaml (monitor). Writes: reports/benchmarks/calibration.json.
Run: `make calibrate` (`python -m benchmarks.false_alarms`, with another seed `… 7`); some five
minutes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats

from benchmarks.simulated_columns import MIXES, beyond, location_for, moved, promised, rows
from ml.params import load_params
from ml.pipeline.stage import run_stage
from ml.statistics.column_tests import shift
from ml.statistics.multiple_testing import rejected
from ml.statistics.profile import level_profile, number_profile, tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmarks.simulated_columns import Case, Floats, Kind, Mix
    from ml.params import Monitor
    from ml.statistics.column_tests import Shift
    from ml.statistics.profile import Profile

    Marks = NDArray[np.bool_]

CALIBRATION = Path("reports/benchmarks/calibration.json")
REFERENCE_ROWS = 20_000
SIZES = (200, 500, 2000)
PROCESSES = ("iid", "ar1", "seasonal")
HEALTHY: Mapping[str, Case] = {"healthy": {}}
# references, and windows after each, by rows of a window
PLAN = {200: (100, 100), 500: (50, 80), 2000: (25, 80)}
POWER_SIZES = (200, 500)
POWER = (60, 60)
SEED = 1_000_000


class Column(NamedTuple):
    """A reference's profile and the windows after it, (windows, size)."""

    profile: Profile
    windows: Floats

    def shift(self) -> Shift:
        """The monitor's tests of every window."""
        return shift(self.profile, tally(self.profile, self.windows))


def tickets(
    process: str,
    size: int,
    references: int,
    windows: int,
    settings: Monitor,
    seed: int,
    mix: Mix = MIXES["even"],
    cases: Mapping[str, Case] = HEALTHY,
) -> dict[str, Marks]:
    """Whether each window of each case gets a ticket, (references, windows).

    Windows follow their reference in time.
    """
    rng = np.random.default_rng(seed)
    flagged: dict[str, list[Marks]] = {name: [] for name in cases}
    for _ in range(references):
        columns = [_column(kind, process, windows, size, rng) for kind in mix]
        healthy = [column.shift() for column in columns]
        for name, case in cases.items():
            shifts = _with_changes(healthy, columns, case, rng)
            flagged[name].append(_has_ticket(shifts, settings))
    return {name: np.array(of_references) for name, of_references in flagged.items()}


def _column(kind: Kind, process: str, windows: int, size: int, rng: np.random.Generator) -> Column:
    series = kind.of(rows(process, REFERENCE_ROWS + windows * size, rng))
    profile = _profile(kind, series[:REFERENCE_ROWS])
    return Column(profile, series[REFERENCE_ROWS:].reshape(windows, size))


def _profile(kind: Kind, reference: Floats) -> Profile:
    if kind.shares:
        codes = reference.astype(np.int64)
        return level_profile(kind.name, codes, len(kind.shares), ordered=True)
    return number_profile(kind.name, reference, ordered=True)


def _with_changes(
    healthy: list[Shift], columns: list[Column], case: Case, rng: np.random.Generator
) -> list[Shift]:
    """The columns' tests, those of changed columns done anew."""
    shifts = list(healthy)
    for place, change in case.items():
        column = columns[place]
        shifts[place] = Column(column.profile, change(column.windows, rng)).shift()
    return shifts


def _has_ticket(shifts: list[Shift], settings: Monitor) -> Marks:
    by_column = rejected(shifts, settings.false_alarm, settings.min_psi)
    return np.asarray(np.concatenate(by_column, axis=-1).any(axis=-1))


def upper_limit(count: int, of: int) -> float:
    """One-sided 95 % upper confidence limit of a share (Clopper, Pearson 1934)."""
    return 1.0 if count == of else float(stats.beta.ppf(0.95, count + 1, of - count))


def false_alarm(
    process: str, size: int, plan: tuple[int, int], settings: Monitor, seed: int, mix: Mix
) -> dict[str, float]:
    """Share of healthy windows with a ticket, and with one in the window before too: a page."""
    flagged = tickets(process, size, *plan, settings, seed + size, mix)["healthy"]
    count = int(flagged.sum())
    return {
        "windows": flagged.size,
        "ticket": count / flagged.size,
        "ticket_upper_95": upper_limit(count, flagged.size),
        "page": float((flagged[:, 1:] & flagged[:, :-1]).mean()),
    }


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
    alarms = _alarms(mix, settings, console, seed)
    sure, more = promised(mix), beyond(mix)
    power = _power(mix, sure | more, settings, console, seed)
    return {
        "columns": [kind.name for kind in mix],
        "false_alarm": alarms,
        "power": {name: power[name] for name in sure},
        "beyond": {name: power[name] for name in more},
    }


def _alarms(mix: Mix, settings: Monitor, console: Console, seed: int) -> dict[str, dict[str, Any]]:
    """By process and rows of a window."""
    alarms: dict[str, dict[str, Any]] = {process: {} for process in PROCESSES}
    plan = [(process, size) for process in PROCESSES for size in SIZES]
    for process, size in track(plan, "Healthy windows", console=console):
        alarms[process][str(size)] = false_alarm(process, size, PLAN[size], settings, seed, mix)
    return alarms


def _power(
    mix: Mix, cases: dict[str, Case], settings: Monitor, console: Console, seed: int
) -> dict[str, dict[str, float]]:
    """Share of changed windows with a ticket, by case and rows of a window."""
    power: dict[str, dict[str, float]] = {name: {} for name in cases}
    for size in track(POWER_SIZES, "Changed windows", console=console):
        flagged = tickets("iid", size, *POWER, settings, seed + size + 1, mix, cases)
        for name, windows in flagged.items():
            power[name][str(size)] = float(windows.mean())
    return power


def tiny_shift(settings: Monitor, seed: int, windows: int = 4) -> float:
    """Share of windows of 100,000 rows with PSI 0.005 in two numbers that get a ticket."""
    case: Case = {place: moved(location_for(0.005)) for place in (0, 1)}
    flagged = tickets("iid", 100_000, 3, windows, settings, seed + 5, cases={"tiny": case})
    return float(flagged["tiny"].mean())


def tables(calibration: dict[str, Any]) -> list[Table]:
    """The tables of docs/monitoring.md for a terminal."""
    mixes = {"even": calibration} | calibration["other_mixes"]
    return [
        table(name.replace("_", " "), figures)
        for name, figures in mixes.items()
        for table in (_alarm_table, _power_table)
    ]


def _alarm_table(mix: str, figures: dict[str, Any]) -> Table:
    title = f"Healthy windows that get a ticket (95 % upper limit) / that page; mix: {mix}"
    table = _table(title, "rows are", SIZES)
    for process, by_size in figures["false_alarm"].items():
        table.add_row(process, *map(_alarm_text, by_size.values()))
    return table


def _alarm_text(share: dict[str, float]) -> str:
    return f"{share['ticket']:.2%} ({share['ticket_upper_95']:.2%}) / {share['page']:.3%}"


def _power_table(mix: str, figures: dict[str, Any]) -> Table:
    table = _table(
        f"Changed windows that get a ticket; mix: {mix}", "one column of ten", POWER_SIZES
    )
    for name, by_size in (figures["power"] | figures["beyond"]).items():
        note = " (not promised)" if name in figures["beyond"] else ""
        table.add_row(name + note, *(f"{share:.1%}" for share in by_size.values()))
    return table


def _table(title: str, first: str, sizes: tuple[int, ...]) -> Table:
    return Table(first, *(f"{size} rows" for size in sizes), title=title)


def main() -> None:
    """Measure, print, write."""
    console, seed = Console(stderr=True), int(sys.argv[1]) if sys.argv[1:] else SEED
    calibration = calibrate(load_params().monitor, console, seed)
    CALIBRATION.parent.mkdir(parents=True, exist_ok=True)
    CALIBRATION.write_text(json.dumps(calibration, indent=1) + "\n", encoding="utf-8")
    Console().print(*tables(calibration), str(CALIBRATION), sep="\n")


if __name__ == "__main__":
    run_stage(main)

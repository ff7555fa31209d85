"""Is the window's data sound? Against the contract and the reference, before anything else is believed.

A column is broken when the share of its rows with a fault exceeds the reference's by
`monitor.max_faulty`; a small rise is left to the drift tests. A broken window is quarantined: it is
neither tested for drift nor trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.contract import Categorical, Contract
from ml.errors import printable
from ml.monitoring.checks.units import unit_change
from ml.monitoring.finding import Finding

if TYPE_CHECKING:
    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Column, Window
    from ml.monitoring.statistics.profile import Profile

CONSTANT = 0.99  # share of one value in the reference from which a constant window is no surprise
CHANCE = 1e-6  # of a healthy window that holds one value only


def quality(window: Window, champion: Champion, max_faulty: float) -> list[Finding]:
    """Findings about the window's columns and about repeated rows; shares are of the window's rows."""
    contract, found = champion.contract, list[Finding]()
    for name in champion.contract.names:
        if name not in champion.profiles:
            continue  # the column that orders rows in time
        column, profile = window.columns[name], champion.profiles[name]
        found += _shares(name, column, profile, contract, champion, max_faulty)
        found += _constant(name, column, profile)
        found += _unit(name, window, champion)
    return found + _repeated(window, champion, max_faulty)


def _shares(
    name: str,
    column: Column,
    profile: Profile,
    contract: Contract,
    champion: Champion,
    max_faulty: float,
) -> list[Finding]:
    if column.tally is None:
        return []
    rows = float(column.tally.rows + column.tally.missing)
    before = max(profile.rows + profile.missing, 1)
    faults = [
        (
            "missing",
            float(column.tally.missing),
            profile.missing / before,
            "of its values are missing",
        ),
        ("mistyped", column.mistyped, 0.0, "of its values are of another type"),
    ]
    if isinstance(contract.get(name), Categorical):
        words = f"of its values are not listed in contract.yaml ({_names(column)})"
        faults.append(
            ("unlisted", float(column.tally.cells[-1]), profile.cells[-1] / before, words)
        )
    elif not profile.levels:
        words = f"of its values lie beyond the contract's range (here {column.low:g} to {column.high:g})"
        faults.append(("out_of_range", column.outside, _outside(name, champion) / before, words))
    return [
        Finding(
            "quality",
            what,
            name,
            f"`{name}`: {n / rows:.1%} {words}, {then:.1%} in the reference",
            n / rows,
            limit,
        )
        for what, n, then, words in faults
        if n / rows > (limit := then + max_faulty)
    ]


def _names(column: Column) -> str:
    return ", ".join(f'"{printable(level)}"' for level, _ in column.unlisted.most_common(3))


def _outside(name: str, champion: Champion) -> int:
    column = champion.contract.get(name)
    low, high = getattr(column, "min", None), getattr(column, "max", None)
    if low is None and high is None:
        return 0
    values = champion.reference[name]
    return int(
        (
            (values < (-np.inf if low is None else low))
            | (values > (np.inf if high is None else high))
        ).sum()
    )


def _constant(name: str, column: Column, profile: Profile) -> list[Finding]:
    """One value in every row, where the reference had several."""
    if column.tally is None or column.tally.rows < 2:
        return []
    same = column.tally.cells.max() == column.tally.rows
    if not profile.levels:
        same = same and column.low == column.high
    usual, rows = profile.cells.max() / max(profile.rows, 1), float(column.tally.rows)
    # a whole week of one season is no surprise
    inflation = float(profile.dependence.at(rows)[0].max())
    if not same or usual > CONSTANT or usual ** (rows / inflation) > CHANCE:
        return []
    value = f" ({column.low:g})" if not profile.levels else ""
    words = f"`{name}`: every row holds the same value{value}, the reference's commonest had {usual:.1%}"
    return [Finding("quality", "constant", name, words, 1.0, CONSTANT)]


def _unit(name: str, window: Window, champion: Champion) -> list[Finding]:
    """The column's numbers are a known factor of what they were."""
    if champion.profiles[name].levels or window.sample[name].dtype != np.float64:
        return []
    found = unit_change(
        champion.reference[name].dropna().to_numpy(), window.sample[name].dropna().to_numpy()
    )
    if found is None:
        return []
    factor, share = found
    told = f"{factor:g}" if factor >= 1 else f"1/{1 / factor:g}"
    words = f"`{name}`: {share:.0%} of its values are {told} times what the reference holds: another unit?"
    return [Finding("quality", "unit", name, words, factor, 1.0)]


def _repeated(window: Window, champion: Champion, max_faulty: float) -> list[Finding]:
    """Rows sent again. More rows repeat by chance in a larger window: the allowance grows with it."""
    rows = window.marks
    share = 1 - len(np.unique(rows)) / len(rows)
    usual = min(1.0, champion.repeated * max(1.0, len(rows) / len(champion.reference)))
    if share <= usual + max_faulty:
        return []
    words = f"{share:.1%} of the rows repeat an earlier one, {usual:.1%} would be usual"
    return [Finding("quality", "repeated", None, words, share, usual + max_faulty)]

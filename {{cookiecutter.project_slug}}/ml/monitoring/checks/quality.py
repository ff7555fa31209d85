"""Is the window's data sound? Checked against the contract and the reference, before all else.

A column is broken when the share of its rows with a fault exceeds the reference's by
`monitor.max_faulty`; a small rise is left to the drift tests. A broken window is quarantined: it is
neither tested for drift nor trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ml.contract import Categorical
from ml.monitoring.checks.explain import unlisted_levels
from ml.monitoring.inputs.columns import count_outside
from ml.monitoring.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.tallies import Column
    from ml.monitoring.inputs.window import Window
    from ml.statistics.profile import Profile

    Floats = NDArray[np.float64]
    UnitChange = tuple[float, float]  # the factor, and the share of rows that it explains

CONSTANT = 0.99  # share of one value in the reference from which a constant window is expected
CHANCE = 1e-6  # of a healthy window that holds one value only

FACTORS = (  # of a unit to another: cents, minutes, thousands
    10.0,
    12.0,
    24.0,
    60.0,
    100.0,
    1000.0,
    3600.0,
    1e6,
)
QUANTILES = np.linspace(0.1, 0.9, 9)
TOLERANCE = 0.12  # of each decile's logarithm, in units of ln 10
PARTIAL = 0.05  # share of the rows that must be beyond the reference's range
# probability below which so many rows beyond it do not come from a short reference
BY_CHANCE = 1e-6
MIN_VALUES = 30


def quality(window: Window, champion: Champion, max_faulty: float) -> list[Finding]:
    """Findings about columns and about repeated rows; shares are of the window's rows."""
    findings = list[Finding]()
    for name in champion.contract.names:
        if name not in champion.profiles:
            continue  # the column that orders rows in time
        column = window.columns[name]
        findings += _faulty(name, column, champion, max_faulty)
        findings += _constant(name, column, champion)
        findings += _unit(name, window, champion)
    return findings + _repeated(window, champion, max_faulty)


class Fault(NamedTuple):
    """Rows of a column with a fault, in the window and in the reference, and what it is."""

    what: str
    rows: Floats | float
    reference_rows: Floats | float
    words: str


def _faults(name: str, column: Column, champion: Champion) -> Iterator[Fault]:
    """What a column's values are checked for."""
    sums, profile = column.tally, champion.profiles[name]
    yield Fault("missing", sums.missing, profile.missing, "of its values are missing")
    yield Fault("mistyped", column.mistyped, 0, "of its values are of another type")
    if isinstance(champion.contract.get(name), Categorical):
        words = f"of its values are not listed in contract.yaml ({unlisted_levels(column)})"
        yield Fault("unlisted", sums.cells[-1], profile.cells[-1], words)
    elif not profile.levels:
        numbers = f"here {column.low:g} to {column.high:g}"
        words = f"of its values lie beyond the contract's range ({numbers})"
        outside = count_outside(champion.reference[name], champion.contract.get(name))
        yield Fault("out_of_range", column.outside, outside, words)


def _faulty(name: str, column: Column, champion: Champion, max_faulty: float) -> list[Finding]:
    """The faults whose share exceeds the reference's by `max_faulty`."""
    rows, reference_rows = float(column.tally.all_rows), max(champion.profiles[name].all_rows, 1)
    findings = []
    for fault in _faults(name, column, champion):
        share, usual = float(fault.rows) / rows, float(fault.reference_rows) / reference_rows
        if share > usual + max_faulty:
            words = f"`{name}`: {share:.1%} {fault.words}, {usual:.1%} in the reference"
            findings.append(_finding(fault.what, name, words, share, usual + max_faulty))
    return findings


def _finding(what: str, column: str | None, words: str, value: float, limit: float) -> Finding:
    return Finding(check="quality", what=what, column=column, words=words, value=value, limit=limit)


def _constant(name: str, column: Column, champion: Champion) -> list[Finding]:
    """One value in every row, where the reference had several."""
    profile = champion.profiles[name]
    rows, usual = float(column.tally.rows), profile.cells.max() / max(profile.rows, 1)
    if not _is_constant(column, profile) or _constant_is_expected(usual, rows, profile):
        return []
    if champion.scored.in_order and seldom_changes(champion.reference[name], rows):
        return []
    value = f" ({column.low:g})" if not profile.levels else ""
    words = (
        f"`{name}`: every row holds the same value{value}, "
        f"the reference's commonest had {usual:.1%}"
    )
    return [_finding("constant", name, words, 1.0, CONSTANT)]


def _is_constant(column: Column, profile: Profile) -> bool:
    """Whether a column of two rows or more holds one value."""
    rows = column.tally.rows
    in_one_cell = rows >= 2 and column.tally.cells.max() == rows
    return bool(in_one_cell and (profile.levels or column.low == column.high))


def _constant_is_expected(usual: float, rows: float, profile: Profile) -> bool:
    """Whether chance explains that so many rows hold the commonest value alone.

    Rows that depend on each other count less: a whole week of one season is expected.
    """
    if usual > CONSTANT:
        return True
    independent_rows = rows / profile.dependence.at(rows).largest
    return bool(usual**independent_rows > CHANCE)


def seldom_changes(reference: pd.Series, rows: float) -> bool:
    """Whether a column changes so seldom in time that one value in so many rows is no surprise.

    A month is one value in every window of two weeks. Changes are taken as a Poisson process whose
    rate is that of the reference, plus one change, because a short reference may hold none.

    Args:
        reference: values in the order of time.
        rows: of the window.
    """
    values = reference.to_numpy()
    changes = int((values[1:] != values[:-1]).sum()) + 1
    return bool(np.exp(-changes / max(len(values), 1) * rows) > CHANCE)


def _unit(name: str, window: Window, champion: Champion) -> list[Finding]:
    """The column's numbers are a known factor of what they were."""
    if champion.profiles[name].levels or window.sample[name].dtype != np.float64:
        return []
    reference, current = champion.reference[name].dropna(), window.sample[name].dropna()
    change = unit_change(reference.to_numpy(), current.to_numpy())
    if change is None:
        return []
    factor, share = change
    times = f"{factor:g}" if factor >= 1 else f"1/{1 / factor:g}"
    words = (
        f"`{name}`: {share:.0%} of its values are {times} times what the reference holds: "
        "another unit?"
    )
    return [_finding("unit", name, words, factor, 1.0)]


def _repeated(window: Window, champion: Champion, max_faulty: float) -> list[Finding]:
    """Rows sent again. A larger window repeats more by chance: the allowance grows with it."""
    share = window.repeated
    times = max(1.0, len(window) / len(champion.reference))
    usual = min(1.0, champion.repeated * times)
    if share <= usual + max_faulty:
        return []
    words = f"{share:.1%} of the rows repeat an earlier one, {usual:.1%} would be usual"
    return [_finding("repeated", None, words, share, usual + max_faulty)]


def unit_change(reference: Floats, window: Floats) -> UnitChange | None:
    """The factor between two samples of a column and the share of rows that it explains, or None.

    A changed unit makes numbers a round factor of what they were. All rows: every decile is the
    factor times what it was, within `TOLERANCE`. Some rows: at least `PARTIAL` of them lie beyond
    the reference's range, more than chance explains, and divided by the factor their typical size
    is an ordinary one (in the middle half of the reference's).
    """
    if min(len(reference), len(window)) < MIN_VALUES:
        return None
    return _change_of_all_rows(reference, window) or _change_of_some_rows(reference, window)


def _change_of_all_rows(reference: Floats, window: Floats) -> UnitChange | None:
    old, new = (np.quantile(values, QUANTILES) for values in (reference, window))
    nonzero = (old != 0) & (new != 0)
    if nonzero.sum() < len(QUANTILES) / 2 or np.ptp(old) == 0:
        return None
    factor = _matching_factor(np.log10(np.abs(new[nonzero]) / np.abs(old[nonzero])))
    return None if factor is None else (factor, 1.0)


def _matching_factor(log_ratios: Floats) -> float | None:
    """The factor, or its inverse, that all ratios are close to; they are decimal logarithms."""
    for factor in FACTORS:
        for sign in (1, -1):
            if (np.abs(log_ratios - sign * np.log10(factor)) < TOLERANCE).all():
                return factor**sign
    return None


def _change_of_some_rows(reference: Floats, window: Floats) -> UnitChange | None:
    beyond = window[(window < reference.min()) | (window > reference.max())]
    count, rows = len(beyond), len(window)
    if count < PARTIAL * rows or _is_chance(count, rows, len(reference)):
        return None
    factor = _fitting_factor(float(np.median(np.abs(beyond))), reference)
    return None if factor is None else (factor, count / rows)


def _fitting_factor(typical: float, reference: Floats) -> float | None:
    """The factor that brings a value into the middle half of the reference, next to its median."""
    low, middle, high = np.quantile(np.abs(reference), (0.25, 0.5, 0.75))
    fitting = [factor for factor in FACTORS if low < high and low <= typical / factor <= high]
    return min(fitting, key=lambda factor: abs(np.log(typical / factor / middle)), default=None)


def _is_chance(beyond: int, n: int, m: int) -> bool:
    """Whether chance explains that so many of n rows leave the range of m earlier ones.

    The share of a continuous distribution outside the range of m draws is Beta(2, m - 1) (Wilks
    1941).
    """
    from scipy.stats import betabinom

    return bool(betabinom.sf(beyond - 1, n, 2, m - 1) > BY_CHANCE)

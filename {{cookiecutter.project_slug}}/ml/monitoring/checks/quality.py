"""Is the window's data sound? Checked against the contract and the reference, before all else.

A column is broken when the share of its rows with a fault exceeds the reference's by
`monitor.max_faulty`; a small rise is left to the drift tests. A broken window is quarantined: it is
neither tested for drift nor trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.contract import Categorical, Contract
from ml.errors import printable
from ml.monitoring.verdict import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Column, Window
    from ml.monitoring.statistics.profile import Profile

    Floats = NDArray[np.float64]

CONSTANT = 0.99  # share of one value in the reference from which a constant window is no surprise
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
# probability below which so many rows beyond it are no accident of a short reference
BY_CHANCE = 1e-6
MIN_VALUES = 30


def quality(window: Window, champion: Champion, max_faulty: float) -> list[Finding]:
    """Findings about columns and about repeated rows; shares are of the window's rows."""
    contract, findings = champion.contract, list[Finding]()
    for name in champion.contract.names:
        if name not in champion.profiles:
            continue  # the column that orders rows in time
        column, profile = window.columns[name], champion.profiles[name]
        findings += _shares(name, column, profile, contract, champion, max_faulty)
        findings += _constant(name, column, profile)
        findings += _unit(name, window, champion)
    return findings + _repeated(window, champion, max_faulty)


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
        here = f"here {column.low:g} to {column.high:g}"
        words = f"of its values lie beyond the contract's range ({here})"
        faults.append(("out_of_range", column.outside, _outside(name, champion) / before, words))
    return [
        _finding(
            what,
            name,
            f"`{name}`: {n / rows:.1%} {words}, {then:.1%} in the reference",
            n / rows,
            limit,
        )
        for what, n, then, words in faults
        if n / rows > (limit := then + max_faulty)
    ]


def _finding(what: str, column: str | None, words: str, value: float, limit: float) -> Finding:
    return Finding(check="quality", what=what, column=column, words=words, value=value, limit=limit)


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
    words = (
        f"`{name}`: every row holds the same value{value}, "
        f"the reference's commonest had {usual:.1%}"
    )
    return [_finding("constant", name, words, 1.0, CONSTANT)]


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
    times = f"{factor:g}" if factor >= 1 else f"1/{1 / factor:g}"
    words = (
        f"`{name}`: {share:.0%} of its values are {times} times what the reference holds: "
        "another unit?"
    )
    return [_finding("unit", name, words, factor, 1.0)]


def _repeated(window: Window, champion: Champion, max_faulty: float) -> list[Finding]:
    """Rows sent again. A larger window repeats more by chance: the allowance grows with it."""
    rows = window.marks
    share = 1 - len(np.unique(rows)) / len(rows)
    usual = min(1.0, champion.repeated * max(1.0, len(rows) / len(champion.reference)))
    if share <= usual + max_faulty:
        return []
    words = f"{share:.1%} of the rows repeat an earlier one, {usual:.1%} would be usual"
    return [_finding("repeated", None, words, share, usual + max_faulty)]


def unit_change(before: Floats, now: Floats) -> tuple[float, float] | None:
    """The factor between two samples of a column and the share of rows that it explains, or None.

    A changed unit makes numbers a round factor of what they were. All rows: every decile is the
    factor times what it was, within `TOLERANCE`. Some rows: at least `PARTIAL` of them lie beyond
    the reference's range, more than chance explains, and divided by the factor their typical size
    is an ordinary one (in the middle half of the reference's).
    """
    if min(len(before), len(now)) < MIN_VALUES:
        return None
    return _all_rows(before, now) or _some_rows(before, now)


def _all_rows(before: Floats, now: Floats) -> tuple[float, float] | None:
    then, here = np.abs(np.quantile(before, QUANTILES)), np.abs(np.quantile(now, QUANTILES))
    nonzero = (then > 0) & (here > 0)
    if nonzero.sum() < len(QUANTILES) / 2 or _spread(before) == 0:
        return None
    ratio = np.log10(here[nonzero] / then[nonzero])
    for factor in FACTORS:
        for sign in (1, -1):
            if (np.abs(ratio - sign * np.log10(factor)) < TOLERANCE).all():
                return factor**sign, 1.0
    return None


def _spread(values: Floats) -> float:
    return float(np.ptp(np.quantile(values, QUANTILES)))


def _some_rows(before: Floats, now: Floats) -> tuple[float, float] | None:
    beyond = now[(now < before.min()) | (now > before.max())]
    if len(beyond) < PARTIAL * len(now) or _is_chance(len(beyond), len(now), len(before)):
        return None
    low, middle, high = np.quantile(np.abs(before), (0.25, 0.5, 0.75))
    typical = float(np.median(np.abs(beyond)))
    fitting = [factor for factor in FACTORS if low < high and low <= typical / factor <= high]
    if not fitting:
        return None
    factor = min(fitting, key=lambda factor: abs(np.log(typical / factor / middle)))
    return factor, len(beyond) / len(now)


def _is_chance(beyond: int, n: int, m: int) -> bool:
    """Whether so many of n rows leave the range of m earlier ones now and then.

    The share of a continuous distribution outside the range of m draws is Beta(2, m - 1) (Wilks
    1941).
    """
    from scipy.stats import betabinom

    return bool(betabinom.sf(beyond - 1, n, 2, m - 1) > BY_CHANCE)

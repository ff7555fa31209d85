"""Has a column changed its unit? Its numbers are then a round factor of what they were: cents, minutes, thousands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FACTORS = (10.0, 12.0, 24.0, 60.0, 100.0, 1000.0, 3600.0, 1e6)
QUANTILES = np.linspace(0.1, 0.9, 9)
TOLERANCE = 0.12  # of each decile's logarithm, in units of ln 10
PARTIAL = 0.05  # share of the rows that must be beyond the reference's range
# probability below which so many rows beyond it are no accident of a short reference
BY_CHANCE = 1e-6
MIN_VALUES = 30


def unit_change(before: Floats, now: Floats) -> tuple[float, float] | None:
    """The factor between two samples of a column and the share of rows that it explains, or None.

    All rows: every decile is the factor times what it was, within `TOLERANCE`. Some rows: at least
        `PARTIAL` of
    them lie beyond the reference's range, more than chance explains, and divided by the factor
    their typical size is an ordinary one (in the middle half of the reference's).
    """
    if min(len(before), len(now)) < MIN_VALUES:
        return None
    return _all_rows(before, now) or _some_rows(before, now)


def _all_rows(before: Floats, now: Floats) -> tuple[float, float] | None:
    then, here = np.abs(np.quantile(before, QUANTILES)), np.abs(np.quantile(now, QUANTILES))
    told = (then > 0) & (here > 0)
    if told.sum() < len(QUANTILES) / 2 or _spread(before) == 0:
        return None
    ratio = np.log10(here[told] / then[told])
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
    return min(fitting, key=lambda factor: abs(np.log(typical / factor / middle))), len(
        beyond
    ) / len(now)


def _is_chance(beyond: int, n: int, m: int) -> bool:
    """Whether so many of n rows leave the range of m earlier ones of the same distribution now and then.

    The share of a continuous distribution outside the range of m draws is Beta(2, m - 1) (Wilks
    1941).
    """
    from scipy.stats import betabinom

    return bool(betabinom.sf(beyond - 1, n, 2, m - 1) > BY_CHANCE)

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
PARTIAL = 0.05  # share of the rows that must be beyond the reference, and inside once divided
INSIDE = (0.5, 99.5)  # percentiles of the reference that count as inside
MIN_VALUES = 30


def unit_change(before: Floats, now: Floats) -> tuple[float, float] | None:
    """The factor between two samples of a column and the share of rows that it explains, or None.

    All rows: every decile is the factor times what it was, within `TOLERANCE`. Some rows: at least `PARTIAL` of
    them lie beyond the reference's range, and the factor brings nine in ten of these back inside.
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
    low, high = np.percentile(before, INSIDE)
    beyond = now[(now < min(low, before.min())) | (now > max(high, before.max()))]
    if len(beyond) < PARTIAL * len(now) or low == high:
        return None
    middle = np.abs(np.median(before))
    best = None
    for factor in FACTORS:
        back = beyond / factor
        inside = ((back >= low) & (back <= high)).mean()
        near = abs(np.log10(max(float(np.abs(np.median(back))), 1e-300) / max(middle, 1e-300)))
        if inside >= 0.9 and (best is None or near < best[0]):
            best = (near, factor)
    return None if best is None else (best[1], len(beyond) / len(now))

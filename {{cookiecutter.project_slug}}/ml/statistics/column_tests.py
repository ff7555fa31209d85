"""Tests of one column: a window's sums against the reference's profile. Vectorised over windows.

Every test gives a p-value (how often a healthy window shows as much) and an effect (how large the
shift is, in units of the population stability index). A location shift of d standard deviations has
the index d², a variance changed by r has (r + 1/r) / 2 - 1 (Jeffreys 1946, between normal
distributions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from ml.statistics.cell_tests import (
    Result,
    chi_square,
    effect_share,
    p_rates,
    pooled_groups,
    stability_index,
    worst_cell,
)
from ml.statistics.power import ROWS, required_alpha

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ml.statistics.dependence import Inflation
    from ml.statistics.profile import Profile, Tally

    Floats = NDArray[np.float64]
    Results = dict[str, Result]  # by the test's name

MANY = 20
TINY = 1e-300  # keeps a division by zero from a warning
NEW_SHARE, NEW_ROWS = 0.01, 2  # an unlisted level counts from this share of the rows, and this many


@dataclass(frozen=True)
class Shift:
    """Results of a column's tests.

    Args:
        names: the tests, K of them.
        weight: what share of the allowance each needs, in any unit, (K,).
        p_values: probabilities, (…, K).
        effect_sizes: in units of the population stability index, (…, K).
        psi: the population stability index over the cells, (…).
        cell: the cell that moved most, (…).
    """

    names: tuple[str, ...]
    weight: Floats
    p_values: Floats
    effect_sizes: Floats
    psi: Floats
    cell: NDArray[np.int64]


def shift(profile: Profile, tally: Tally) -> Shift:
    """All tests of a column; a window without values gets p = 1 everywhere but for `missing`."""
    n = np.maximum(tally.rows, 1.0)
    inflation = profile.dependence.at(float(np.max(n)))
    cell, place = worst_cell(profile, tally, n, inflation.largest)
    tests = _level_tests if profile.levels else _number_tests
    results = tests(profile, tally, n, inflation, cell)
    results["missing"] = _missing(profile, tally, n, inflation.missing)
    psi = stability_index(profile.cells, tally.cells)
    return Shift(tuple(results), _weights(results, profile), *_stacked(results), psi, place)


def _stacked(results: Results) -> tuple[Floats, Floats]:
    """The p-values and the effects of all tests, (…, K) each."""
    p_values, effect_sizes = zip(*results.values(), strict=True)
    return np.stack(p_values, axis=-1), np.stack(effect_sizes, axis=-1)


def _number_tests(
    profile: Profile, tally: Tally, n: Floats, inflation: Inflation, cell: Result
) -> Results:
    # the scores and their squares are the first two parts; independent rows have one for all
    of_mean, of_square = np.resize(inflation.parts, 2)
    wider, narrower = _spread(profile, tally, n, of_square, inflation.freedom)
    return {
        "location": _location(profile, tally, n, of_mean, inflation.freedom),
        "wider": wider,
        "narrower": narrower,
        "shape": chi_square(profile.cells, tally.cells, n, inflation),
        "cell": cell,
    }


def _level_tests(
    profile: Profile, tally: Tally, n: Floats, inflation: Inflation, cell: Result
) -> Results:
    return {
        _all_levels(profile.levels): chi_square(profile.cells, tally.cells, n, inflation),
        "level": cell,
        "new_level": _new_level(profile, tally, n),
    }


def _all_levels(levels: int) -> str:
    """Name of the test over all levels."""
    if levels > MANY:
        return "many_levels"
    return "levels" if levels > 2 else "two_levels"


def _location(
    profile: Profile, tally: Tally, n: Floats, inflation: float, freedom: float
) -> Result:
    """Two-sided t test of the mean score; the effect is d² (Jeffreys 1946)."""
    if not profile.variance > 0:
        return _unchanged(n)
    difference = np.where(tally.rows > 0, tally.scores / n, profile.mean) - profile.mean
    variance = profile.variance * _mean_noise(profile, n) * inflation
    t = difference / np.sqrt(np.maximum(variance, TINY))
    return Result(2 * _p_t(-np.abs(t), freedom), difference**2 / profile.variance)


def _spread(
    profile: Profile, tally: Tally, n: Floats, inflation: float, freedom: float
) -> tuple[Result, Result]:
    """One-sided tests of a wider and of a narrower spread, by the ratio of the mean squares."""
    if not profile.variance > 0:
        return _unchanged(n), _unchanged(n)
    ratio = _square_ratio(profile, tally, n)
    noise = _mean_noise(profile, n) * inflation
    score = _spread_score(ratio, profile, noise, independent=np.isinf(freedom))
    effect_size = _effect_spread(ratio)
    return Result(_p_t(-score, freedom), effect_size), Result(_p_t(score, freedom), effect_size)


def _square_ratio(profile: Profile, tally: Tally, n: Floats) -> Floats:
    """The window's mean squared score by the reference's; 1 where either is not known."""
    known = (tally.rows > 0) & (profile.square > 0)
    return np.where(known, tally.squares / n / (profile.square or 1), 1.0)


def _effect_spread(ratio: Floats) -> Floats:
    """(r + 1/r) / 2 - 1 of a ratio of variances (Jeffreys 1946)."""
    above_zero = np.maximum(ratio, 1e-9)
    return (above_zero + 1 / above_zero) / 2 - 1


def _spread_score(ratio: Floats, profile: Profile, noise: Floats, independent: bool) -> Floats:
    """A ratio of mean squares as a standard normal score, large where the window is wider.

    Cube-root transformation of a gamma variable (Wilson, Hilferty 1931), shifted where rows depend
    on each other: the sum of an AR(1) series' squares is up to 1.5 times as skewed as the gamma of
    its mean and variance.
    """
    deviation = np.sqrt(np.maximum(profile.square_variance * noise, TINY)) / (profile.square or 1)
    skew = (2.0 if independent else 3.0) * deviation
    root = np.cbrt(np.maximum(skew / 2 * (ratio - 1) / deviation + 1, 0.0))
    score: Floats = 6 / skew * (root - 1) + skew / 6
    return score


def _unchanged(n: Floats) -> Result:
    """The result for a constant column."""
    return Result(np.ones_like(n), np.zeros_like(n))


def _p_t(t: Floats, freedom: float) -> Floats:
    """Probability that Student's t is below t."""
    p_below: Floats = special.stdtr(min(freedom, 1e9), t)
    return p_below


def _mean_noise(profile: Profile, n: Floats) -> Floats:
    """Variance of the difference of two means, in units of one row's variance."""
    return 1 / n + 1 / max(profile.rows, 1)


def _missing(profile: Profile, tally: Tally, n: Floats, inflation: float) -> Result:
    """Two-sided test of the share of missing values."""
    missing, present = profile.missing / inflation, profile.rows / inflation
    p_value = p_rates(missing, tally.missing / inflation, present, n / inflation)
    return Result(p_value, effect_share(profile.missing, tally.missing, profile.rows, n))


def _new_level(profile: Profile, tally: Tally, n: Floats) -> Result:
    """A rule, not a test: p is 0 where levels that the reference never had are frequent."""
    unlisted = tally.cells[..., -1]
    frequent = (unlisted >= NEW_ROWS) & (unlisted / n >= NEW_SHARE)
    new = (profile.cells[-1] == 0) & frequent
    return Result(np.where(new, 0.0, 1.0), np.where(new, np.inf, 0.0))


def _weights(names: Iterable[str], profile: Profile) -> Floats:
    groups = int(pooled_groups(profile.cells / max(profile.rows, 1), ROWS).max()) + 1
    cells = len(profile.cells)
    return np.array([required_alpha(name, profile.rows, groups, cells) for name in names])

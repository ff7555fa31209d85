"""Tests of one column: a window's sums against the reference's profile. Vectorised over windows.

Every test gives a probability (how often a healthy window shows as much) and an effect (how large
the shift is, in units of the population stability index). A location shift of d standard deviations
has the index d², a variance changed by r has (r + 1/r) / 2 - 1 (Jeffreys 1946, between normal
distributions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from ml.monitoring.statistics.power import ROWS, required_alpha

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml.monitoring.statistics.profile import Profile, Tally

    Floats = NDArray[np.float64]

NUMBER = ("location", "wider", "narrower", "shape", "cell", "missing")
# after the test over all levels: two_levels, levels or many_levels
LEVEL = ("level", "new_level", "missing")
MANY = 20
# rows that a cell should hold in a window for the chi-square distribution to be right
MIN_EXPECTED = 4.0
TINY = 1e-300  # keeps a division by zero from a warning
NEW_SHARE, NEW_ROWS = 0.01, 2  # an unlisted level wants this share of the rows, and this many


@dataclass(frozen=True)
class Shift:
    """Results of a column's tests.

    Args:
        names: the tests, K of them.
        weight: what share of the allowance each needs, in any unit, (K,).
        p: probabilities, (…, K).
        effect: sizes in units of the population stability index, (…, K).
        psi: the population stability index over the cells, (…).
        cell: the cell that moved most, (…).
    """

    names: tuple[str, ...]
    weight: Floats
    p: Floats
    effect: Floats
    psi: Floats
    cell: NDArray[np.int64]


def shift(profile: Profile, tally: Tally) -> Shift:
    """All tests of a column; a window without values gets p = 1 everywhere but for `missing`."""
    return _levels(profile, tally) if profile.levels else _number(profile, tally)


class Result(NamedTuple):
    """One test of a column in each window: probabilities (…) and effects (…)."""

    p: Floats
    effect: Floats


def _number(profile: Profile, tally: Tally) -> Shift:
    """The tests of NUMBER, in their order."""
    n = np.maximum(tally.rows, 1.0)
    inflations, of_missing, freedom = profile.dependence.at(float(np.max(n)))
    of_mean, of_square = np.resize(inflations, 2)
    shape = cells(profile.cells, tally.cells, n, float(inflations.max()), freedom)
    cell, worst = _worst_cell(profile, tally, n, float(inflations.max()))
    results = [
        _location(profile, tally, n, of_mean, freedom),
        *_spread(profile, tally, n, of_square, freedom),
        Result(shape.p, shape.effect),
        cell,
        _missing(profile, tally, n, of_missing),
    ]
    return _shift(NUMBER, profile, results, shape.psi, worst)


def _levels(profile: Profile, tally: Tally) -> Shift:
    """The test over all levels, and those of LEVEL."""
    n = np.maximum(tally.rows, 1.0)
    inflations, of_missing, freedom = profile.dependence.at(float(np.max(n)))
    every = cells(profile.cells, tally.cells, n, float(inflations.max()), freedom)
    level, worst = _worst_cell(profile, tally, n, float(inflations.max()))
    results = [
        Result(every.p, every.effect),
        level,
        _new_level(profile, tally, n),
        _missing(profile, tally, n, of_missing),
    ]
    return _shift((_all_levels(profile.levels), *LEVEL), profile, results, every.psi, worst)


def _shift(
    names: tuple[str, ...],
    profile: Profile,
    results: Sequence[Result],
    psi: Floats,
    worst: NDArray[np.int64],
) -> Shift:
    p = np.stack([result.p for result in results], axis=-1)
    effect = np.stack([result.effect for result in results], axis=-1)
    return Shift(names, _weights(names, profile), p, effect, psi, worst)


def _location(
    profile: Profile, tally: Tally, n: Floats, inflation: float, freedom: float
) -> Result:
    """Two-sided t test of the mean score; the effect is d² (Jeffreys 1946)."""
    if not profile.variance > 0:
        return Result(np.ones_like(n), np.zeros_like(n))
    moved = np.where(tally.rows > 0, tally.scores / n, profile.mean) - profile.mean
    variance = profile.variance * _mean_noise(profile, n) * inflation
    t = moved / np.sqrt(np.maximum(variance, TINY))
    return Result(2 * special.stdtr(_finite(freedom), -np.abs(t)), moved**2 / profile.variance)


def _spread(
    profile: Profile, tally: Tally, n: Floats, inflation: float, freedom: float
) -> tuple[Result, Result]:
    """One-sided tests of a wider and of a narrower spread, by the ratio r of the mean squares.

    The effect of both is (r + 1/r) / 2 - 1 (Jeffreys 1946).
    """
    if not profile.variance > 0:
        constant = Result(np.ones_like(n), np.zeros_like(n))
        return constant, constant
    known = (tally.rows > 0) & (profile.square > 0)
    ratio = np.where(known, tally.squares / n / (profile.square or 1), 1.0)
    score = _spread_score(ratio, profile, _mean_noise(profile, n) * inflation, np.isinf(freedom))
    above_zero = np.maximum(ratio, 1e-9)
    effect = (above_zero + 1 / above_zero) / 2 - 1
    wider, narrower = (special.stdtr(_finite(freedom), side) for side in (-score, score))
    return Result(wider, effect), Result(narrower, effect)


def _missing(profile: Profile, tally: Tally, n: Floats, inflation: float) -> Result:
    """Two-sided test of the share of missing values."""
    before, m = profile.missing / inflation, profile.rows / inflation
    p = count_p(before, tally.missing / inflation, m, n / inflation)
    return Result(p, _share_effect(profile.missing, tally.missing, profile.rows, n))


def _new_level(profile: Profile, tally: Tally, n: Floats) -> Result:
    """A rule, not a test: p is 0 where levels that the reference never had are frequent."""
    unlisted = tally.cells[..., -1]
    frequent = (unlisted >= NEW_ROWS) & (unlisted / n >= NEW_SHARE)
    new = (profile.cells[-1] == 0) & frequent
    return Result(np.where(new, 0.0, 1.0), np.where(new, np.inf, 0.0))


def _worst_cell(
    profile: Profile, tally: Tally, n: Floats, inflation: float
) -> tuple[Result, NDArray[np.int64]]:
    """The cell that moved most: Bonferroni's bound over the cells, its effect and its place."""
    before, now = profile.cells / inflation, tally.cells / inflation
    without_before = np.maximum(profile.rows / inflation - before, 0.0)
    without_now = np.maximum((n / inflation)[..., None] - now, 0.0)
    p = count_p(before, now, without_before, without_now)
    worst = p.argmin(axis=-1)
    effects = _share_effect(before, now, without_before, without_now)
    effect = np.take_along_axis(effects, worst[..., None], axis=-1)[..., 0]
    return Result(np.minimum(1.0, p.min(axis=-1) * len(before)), effect), worst


def _weights(names: tuple[str, ...], profile: Profile) -> Floats:
    groups = int(_groups(profile.cells / max(profile.rows, 1), ROWS).max()) + 1
    cells = len(profile.cells)
    return np.array([required_alpha(name, profile.rows, groups, cells) for name in names])


def _all_levels(levels: int) -> str:
    if levels > MANY:
        return "many_levels"
    return "levels" if levels > 2 else "two_levels"


def _mean_noise(profile: Profile, n: Floats) -> Floats:
    """Variance of the difference of two means, in units of one row's variance."""
    return 1 / n + 1 / max(profile.rows, 1)


def _finite(freedom: float) -> float:
    return min(freedom, 1e9)


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


@dataclass(frozen=True)
class CellTest:
    """Chi-square over cells."""

    p: Floats
    effect: Floats
    psi: Floats


def cells(before: Floats, now: Floats, n: Floats, inflation: float, freedom: float) -> CellTest:
    """Two samples over the same cells: before (B,), now (…, B) of n (…) rows.

    Pearson's chi-square for two samples, rare cells pooled, divided by the inflation (Rao, Scott
    1981) and held against F where that was estimated from blocks. The effect is the population
    stability index less what chance alone gives it.
    """
    m = max(before.sum(), 1.0)
    groups = _groups(before / m, float(np.min(n)))
    old, new = _grouped(before, groups), _grouped(now, groups)
    noise = 1 / n + 1 / m
    pooled = np.maximum((old + new) / (m + n)[..., None], 1e-12)
    terms = (new / n[..., None] - old / m) ** 2 / (pooled * noise[..., None])
    df = max(int(groups.max()), 1)
    p = _chi_square_p(terms.sum(axis=-1) / inflation, df, freedom)
    effect = np.maximum(stability_index(old, new) - df * noise, 0.0)
    return CellTest(p, effect, stability_index(before, now))


def _chi_square_p(statistic: Floats, df: int, freedom: float) -> Floats:
    """Chi-square with a known variance, F with one estimated from `freedom` + 1 blocks."""
    p: Floats
    if np.isinf(freedom):
        p = special.chdtrc(df, statistic)
    else:
        p = special.fdtrc(df, freedom, statistic / df)
    return p


def _groups(share: Floats, rows: float) -> NDArray[np.int64]:
    """Group of each cell: those too rare for MIN_EXPECTED rows share one with neighbours."""
    order = np.argsort(-share, kind="stable")
    group, filled, made = 0, 0.0, np.zeros(len(share), dtype=np.int64)
    for place in order:
        if filled * rows >= MIN_EXPECTED:
            group, filled = group + 1, 0.0
        made[place] = group
        filled += share[place]
    if filled * rows < MIN_EXPECTED and group > 0:
        made[made == group] = group - 1
    return made


def _grouped(counts: Floats, groups: NDArray[np.int64]) -> Floats:
    member = (groups[:, None] == np.arange(groups.max() + 1)).astype(float)
    grouped: Floats = counts @ member
    return grouped


def stability_index(before: Floats, now: Floats) -> Floats:
    """Population stability index of counts over cells: the sum of (q - p) ln(q / p).

    An empty cell counts as half a row.
    """
    p = np.maximum(before, 0.5) / max(before.sum(), 1.0)
    q = np.maximum(now, 0.5) / np.maximum(now.sum(axis=-1, keepdims=True), 1.0)
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return index


def count_p(before: Floats | float, now: Floats, m: Floats | float, n: Floats) -> Floats:
    """Two-sided probability of a count `now` beside n other rows, given `before` beside m.

    Conditional binomial test of two Poisson rates (Przyborowski, Wilenski 1940); never too small
    for binomials. Counts may be fractions of rows (divided by an inflation).
    """
    total, chance = before + now, (n + now) / (n + now + m + before)
    low = np.where(before > 0, special.betainc(np.maximum(before, 1e-9), now + 1, 1 - chance), 1.0)
    high = np.where(now > 0, special.betainc(np.maximum(now, 1e-9), total - now + 1, chance), 1.0)
    two_sided: Floats = np.minimum(1.0, 2 * np.minimum(low, high))
    return two_sided


def _share_effect(before: Floats | float, now: Floats, m: Floats | float, n: Floats) -> Floats:
    """Stability index of one share against the rest; counts are rows with and rows without."""
    p = np.maximum(before, 0.5) / np.maximum(m + before, 1.0)
    q = np.maximum(now, 0.5) / np.maximum(n + now, 1.0)
    p, q = np.minimum(p, 1 - 1e-9), np.minimum(q, 1 - 1e-9)
    index: Floats = (q - p) * (np.log(q / p) - np.log((1 - q) / (1 - p)))
    return index

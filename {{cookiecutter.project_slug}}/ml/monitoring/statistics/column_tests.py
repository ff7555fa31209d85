"""Tests of one column: a window's sums against the reference's profile. Pure, and vectorised over windows.

Every test gives a probability (how often a healthy window shows as much) and an effect (how large
the shift is, in units of the population stability index). A location shift of d standard deviations
has the index d², a variance changed by r has (r + 1/r) / 2 - 1 (Jeffreys 1946, between normal
distributions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from ml.monitoring.statistics.power import ROWS, needed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.monitoring.statistics.profile import Profile, Tally

    Floats = NDArray[np.float64]

NUMBER = ("location", "wider", "narrower", "shape", "cell", "missing")
# after the test over all levels: two_levels, levels or many_levels
LEVEL = ("level", "new_level", "missing")
MANY = 20
# rows that a cell should hold in a window for the chi-square distribution to be right
MIN_EXPECTED = 4.0
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


def _number(profile: Profile, tally: Tally) -> Shift:
    n = np.maximum(tally.rows, 1.0)
    noise = _noise(profile, n)
    parts, absent, freedom = profile.dependence.at(float(np.max(n)))
    v = np.resize(parts, 2 + profile.cells.shape[0])
    where = np.where(tally.rows > 0, tally.scores / n, profile.mean) - profile.mean
    ratio = np.where(
        (tally.rows > 0) & (profile.square > 0), tally.squares / n / (profile.square or 1), 1.0
    )
    moved = where / np.sqrt(np.maximum(profile.variance * noise * v[0], 1e-300))
    wider = _spread_score(ratio, profile, noise * v[1], np.isinf(freedom))
    found = cells(profile.cells, tally.cells, n, float(v.max()), freedom)
    lost = count_p(
        profile.missing / absent, tally.missing / absent, profile.rows / absent, n / absent
    )
    most = float(v.max())
    single, worst, single_size = _one_level(
        profile.cells / most, tally.cells / most, profile.rows / most, n / most
    )
    varies = profile.variance > 0
    p = [
        2 * special.stdtr(_finite(freedom), -np.abs(moved)) if varies else np.ones_like(n),
        special.stdtr(_finite(freedom), -wider) if varies else np.ones_like(n),
        special.stdtr(_finite(freedom), wider) if varies else np.ones_like(n),
        found.p,
        single,
        lost,
    ]
    spread = (np.maximum(ratio, 1e-9) + 1 / np.maximum(ratio, 1e-9)) / 2 - 1
    size = where**2 / profile.variance if varies else np.zeros_like(n)
    gone = _share_effect(profile.missing, tally.missing, profile.rows, n)
    effect = [size, spread, spread, found.effect, single_size, gone]
    return Shift(
        NUMBER,
        _weights(NUMBER, profile),
        np.stack(p, axis=-1),
        np.stack(effect, axis=-1),
        found.psi,
        worst,
    )


def _levels(profile: Profile, tally: Tally) -> Shift:
    n = np.maximum(tally.rows, 1.0)
    parts, absent, freedom = profile.dependence.at(float(np.max(n)))
    v = float(parts.max())
    found = cells(profile.cells, tally.cells, n, v, freedom)
    lost = count_p(
        profile.missing / absent, tally.missing / absent, profile.rows / absent, n / absent
    )
    single, worst, size = _one_level(profile.cells / v, tally.cells / v, profile.rows / v, n / v)
    unlisted = tally.cells[..., -1]
    new = (profile.cells[-1] == 0) & (unlisted >= NEW_ROWS) & (unlisted / n >= NEW_SHARE)
    p = [found.p, single, np.where(new, 0.0, 1.0), lost]
    gone = _share_effect(profile.missing, tally.missing, profile.rows, n)
    effect = [found.effect, size, np.where(new, np.inf, 0.0), gone]
    names = (_all_levels(profile.levels), *LEVEL)
    weight = _weights(names, profile)
    return Shift(names, weight, np.stack(p, axis=-1), np.stack(effect, axis=-1), found.psi, worst)


def _weights(names: tuple[str, ...], profile: Profile) -> Floats:
    groups = int(_groups(profile.cells / max(profile.rows, 1), ROWS).max()) + 1
    return np.array([needed(name, profile.rows, groups, len(profile.cells)) for name in names])


def _all_levels(levels: int) -> str:
    if levels > MANY:
        return "many_levels"
    return "levels" if levels > 2 else "two_levels"


def _noise(profile: Profile, n: Floats) -> Floats:
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
    deviation = np.sqrt(np.maximum(profile.square_variance * noise, 1e-300)) / (profile.square or 1)
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
    statistic = terms.sum(axis=-1) / inflation
    p = (
        special.chdtrc(df, statistic)
        if np.isinf(freedom)
        else special.fdtrc(df, freedom, statistic / df)
    )
    psi = stability_index(old, new)
    return CellTest(p, np.maximum(psi - df * noise, 0.0), stability_index(before, now))


def _groups(share: Floats, rows: float) -> NDArray[np.int64]:
    """Group of each cell: cells too rare to expect MIN_EXPECTED rows share one with their neighbours in rank."""
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
    """Population stability index of counts over cells, sum of (q - p) ln(q / p); an empty cell counts as half a row."""
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


def _one_level(
    before: Floats, now: Floats, m: float, n: Floats
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """The level that moved most: its probability (times the number of levels), its place, its effect."""
    others = np.maximum(n[..., None] - now, 0.0)
    p = count_p(before, now, np.maximum(m - before, 0.0), others)
    worst = p.argmin(axis=-1)
    effect = _share_effect(before, now, np.maximum(m - before, 0.0), others)
    chosen = np.take_along_axis(effect, worst[..., None], axis=-1)[..., 0]
    return np.minimum(1.0, p.min(axis=-1) * len(before)), worst, chosen


def _share_effect(before: Floats | float, now: Floats, m: Floats | float, n: Floats) -> Floats:
    """Stability index of one share against the rest; counts are rows with and rows without."""
    p = np.maximum(before, 0.5) / np.maximum(m + before, 1.0)
    q = np.maximum(now, 0.5) / np.maximum(n + now, 1.0)
    p, q = np.minimum(p, 1 - 1e-9), np.minimum(q, 1 - 1e-9)
    index: Floats = (q - p) * (np.log(q / p) - np.log((1 - q) / (1 - p)))
    return index

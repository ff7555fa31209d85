"""Tests of counts: rows in the cells of a column, reference against window, as a whole and singly.

Counts may be fractions of rows: they are divided by the variance inflation where rows depend on
each other in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.statistics.dependence import Inflation
    from ml.statistics.profile import Profile, Tally

    Floats = NDArray[np.float64]
    Counts = Floats | float

# rows that a cell should hold in a window for the chi-square distribution to be right
MIN_EXPECTED = 4.0


class Result(NamedTuple):
    """One test of a column in each window: p-values (…) and effects (…).

    An effect is in units of the population stability index.
    """

    p_value: Floats
    effect_size: Floats


def stability_index(reference: Floats, window: Floats) -> Floats:
    """Population stability index of counts over cells: the sum of (w - r) ln(w / r).

    r and w are a cell's shares in the reference and in the window. An empty cell counts as half a
    row.
    """
    r = np.maximum(reference, 0.5) / max(reference.sum(), 1.0)
    w = np.maximum(window, 0.5) / np.maximum(window.sum(axis=-1, keepdims=True), 1.0)
    index: Floats = ((w - r) * np.log(w / r)).sum(axis=-1)
    return index


def chi_square(reference: Floats, window: Floats, n: Floats, inflation: Inflation) -> Result:
    """Two samples over the same cells: reference (B,), window (…, B) of n (…) rows.

    Pearson's chi-square for two samples, rare cells pooled, divided by the inflation (Rao, Scott
    1981). The effect is the population stability index less what chance alone gives it.
    """
    m = max(reference.sum(), 1.0)
    groups = pooled_groups(reference / m, float(np.min(n)))
    df = max(int(groups.max()), 1)
    grouped = _grouped(reference, groups), _grouped(window, groups)
    p_value = _p_chi_square(_pearson(*grouped, m, n) / inflation.largest, df, inflation.freedom)
    return Result(p_value, np.maximum(stability_index(*grouped) - df * (1 / n + 1 / m), 0.0))


def _pearson(reference: Floats, window: Floats, m: float, n: Floats) -> Floats:
    """Pearson's statistic of two samples of m and n rows."""
    pooled = np.maximum((reference + window) / (m + n)[..., None], 1e-12)
    variance = pooled * (1 / n + 1 / m)[..., None]
    terms = (window / n[..., None] - reference / m) ** 2 / variance
    statistic: Floats = terms.sum(axis=-1)
    return statistic


def _p_chi_square(statistic: Floats, df: int, freedom: float) -> Floats:
    """Chi-square with a known variance, F with one estimated from `freedom` + 1 blocks."""
    p_value: Floats = (
        special.chdtrc(df, statistic)
        if np.isinf(freedom)
        else special.fdtrc(df, freedom, statistic / df)
    )
    return p_value


def pooled_groups(share: Floats, rows: float) -> NDArray[np.int64]:
    """Group of each cell: cells too rare for MIN_EXPECTED rows are pooled with other rare ones."""
    groups = np.zeros(len(share), dtype=np.int64)
    group, filled = 0, 0.0
    for cell in np.argsort(-share, kind="stable"):
        if filled * rows >= MIN_EXPECTED:
            group, filled = group + 1, 0.0
        groups[cell] = group
        filled += share[cell]
    if filled * rows < MIN_EXPECTED and group > 0:
        groups[groups == group] = group - 1
    return groups


def _grouped(counts: Floats, groups: NDArray[np.int64]) -> Floats:
    member = (groups[:, None] == np.arange(groups.max() + 1)).astype(float)
    grouped: Floats = counts @ member
    return grouped


def worst_cell(
    profile: Profile, tally: Tally, n: Floats, inflation: float
) -> tuple[Result, NDArray[np.int64]]:
    """The cell that moved most: its test with Bonferroni's bound over the cells, and its place."""
    reference, window = profile.cells / inflation, tally.cells / inflation
    others = _others(reference, profile.rows / inflation), _others(window, n / inflation)
    p_cells = p_rates(reference, window, *others)
    effect_cells = effect_share(reference, window, *others)
    worst = p_cells.argmin(axis=-1)
    effect_worst = np.take_along_axis(effect_cells, worst[..., None], axis=-1)[..., 0]
    p_bound = np.minimum(1.0, p_cells.min(axis=-1) * len(reference))
    return Result(p_bound, effect_worst), worst


def _others(cells: Floats, rows: Counts) -> Floats:
    """Of the rows (…) those that are not in the cell, for each cell (…, B)."""
    return np.maximum(np.asarray(rows)[..., None] - cells, 0.0)


def p_rates(reference: Counts, window: Floats, others: Counts, others_window: Floats) -> Floats:
    """Two-sided p-value of a count in the window, given the count in the reference.

    Conditional binomial test of two Poisson rates (Przyborowski, Wilenski 1940); never too small
    for binomials. `others` are the rows that are not counted, of either side.
    """
    total = reference + window
    chance = (others_window + window) / (others_window + window + others + reference)
    p_fewer = _p_at_least(reference, window, 1 - chance)
    p_more = _p_at_least(window, total - window, chance)
    p_two_sided: Floats = np.minimum(1.0, 2 * np.minimum(p_fewer, p_more))
    return p_two_sided


def _p_at_least(count: Counts, others: Floats, chance: Floats) -> Floats:
    """Probability that a binomial of `count + others` draws is at least `count`."""
    p_tail = special.betainc(np.maximum(count, 1e-9), others + 1, chance)
    return np.where(count > 0, p_tail, 1.0)


def effect_share(
    reference: Counts, window: Floats, others: Counts, others_window: Floats
) -> Floats:
    """Stability index of one share against the rest; counts are rows with and rows without."""
    r, w = _share(reference, others), _share(window, others_window)
    index: Floats = (w - r) * (np.log(w / r) - np.log((1 - w) / (1 - r)))
    return index


def _share(count: Counts, others: Counts) -> Floats:
    """A share that is neither 0 (half a row instead) nor 1."""
    return np.minimum(np.maximum(count, 0.5) / np.maximum(others + count, 1.0), 1 - 1e-9)

"""What a column looked like in the reference, and the sums that any window of it comes to.

A number x becomes its normal score z = Φ⁻¹(F(x)), F the reference's distribution: location, spread
and shape are then measured alike for every number, however skewed. A level becomes its place in the
contract. Both are counted in cells: ten of equal share for numbers, one for each level (and one for
all unlisted ones) for levels. The column tests need only sums over rows, so a window is read once
and never held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from ml.statistics.dependence import INDEPENDENT, Dependence, dependence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]
    Marks = NDArray[np.bool_]

CELLS = 10  # of a number; the usual count for the population stability index
FEW = 10  # a number with no more different values than this gets a cell for each
KNOTS = 512  # of a number's distribution; between them it is a straight line
EXACT = 2.0**20  # sums are counted in its inverse
SCORED = 12  # levels whose dependence in time is measured: the most frequent ones


@dataclass(frozen=True)
class Profile:
    """One column of the reference. Edges, knots and moments are of a number.

    Args:
        name: the column.
        levels: number of levels, 0 for a number.
        rows: reference rows with a value.
        missing: reference rows without.
        cells: rows in each cell, (B,).
        dependence: how much the sums vary more in time than independent rows' would.
        edges: upper ends of the cells but the last, (B - 1,).
        knots: values and their normal scores, ascending, two arrays (k,).
        mean: expected normal score of a new row, and `variance` of the scores.
        square: expected squared score of a new row, and `square_variance` of the squares.
    """

    name: str
    levels: int
    rows: int
    missing: int
    cells: Floats
    dependence: Dependence
    edges: Floats = field(default_factory=lambda: np.empty(0))
    knots: tuple[Floats, Floats] = field(default_factory=lambda: (np.empty(0), np.empty(0)))
    mean: float = 0.0
    variance: float = 0.0
    square: float = 0.0
    square_variance: float = 0.0

    @property
    def all_rows(self) -> int:
        """Reference rows with a value and without."""
        return self.rows + self.missing


@dataclass(frozen=True)
class Tally:
    """Sums over a window's rows of one column; arrays may lead with an axis of windows.

    Args:
        rows: rows with a value; `missing` rows without.
        cells: rows in each cell, (…, B).
        scores: sum of the normal scores, and `squares` of their squares (0 for levels).
    """

    rows: Floats
    missing: Floats
    cells: Floats
    scores: Floats
    squares: Floats

    @property
    def all_rows(self) -> Floats:
        """Rows with a value and without."""
        return self.rows + self.missing

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def number_profile(name: str, values: Floats, ordered: bool) -> Profile:
    """Profile of a number's reference values (m,), NaN missing; `ordered`: the rows follow time."""
    absent = np.isnan(values)
    present = values[~absent]
    x, z = _knots(present)
    score = np.interp(present, x, z) if len(present) else present
    edges = _edges(x, present)
    cell = np.searchsorted(edges, present)
    return Profile(
        name=name,
        levels=0,
        rows=len(present),
        missing=int(absent.sum()),
        cells=np.bincount(cell, minlength=len(edges) + 1).astype(float),
        dependence=_dependence(score, cell, edges, absent) if ordered else INDEPENDENT,
        edges=edges,
        knots=(x, z),
        **_moments(score, z),
    )


def _moments(score: Floats, z: Floats) -> dict[str, float]:
    """The moments of `Profile`, from the scores and the knots' scores."""
    ends = z[[0, -1]] if len(z) else np.zeros(2)
    square = _expected(score**2, ends**2)
    return {
        "mean": _expected(score, ends),
        "variance": float(score.var()) if len(score) else 0.0,
        "square": square,
        "square_variance": _expected(score**4, ends**4) - square**2,
    }


def _expected(values: Floats, ends: Floats) -> float:
    """Mean for a new row: beyond either end (probability 1 / (m + 1)) it counts as the end does."""
    return float((values.sum() + ends.mean()) / (len(values) + 1))


def _dependence(score: Floats, cell: Codes, edges: Floats, missing: Marks) -> Dependence:
    """Dependence in time of what the tests sum: scores, their squares, and each cell's rows."""
    in_cells = [cell == place for place in range(len(edges) + 1)]
    return dependence(np.stack([score, score**2, *in_cells], axis=1), missing)


def _knots(present: Floats) -> tuple[Floats, Floats]:
    """Different values and their normal scores, KNOTS of them at most."""
    x, count = np.unique(present, return_counts=True)
    share_below = (np.cumsum(count) - count / 2) / max(len(present), 1)
    z = np.asarray(special.ndtri(share_below), dtype=np.float64)
    if len(x) <= KNOTS:
        return x, z
    kept = _spread_evenly(z)
    return x[kept], z[kept]


def _spread_evenly(z: Floats) -> Codes:
    """Places of KNOTS scores that are even in z: the tails keep each value."""
    return np.unique(np.searchsorted(z, np.linspace(z[0], z[-1], KNOTS)))


def _edges(x: Floats, present: Floats) -> Floats:
    """Upper ends of the cells but the last, from the knots and the values."""
    if len(x) == 0:
        return np.empty(0)
    if len(x) <= FEW:
        return _edges_between(x)
    return np.unique(np.quantile(present, np.arange(1, CELLS) / CELLS, method="lower"))


def _edges_between(x: Floats) -> Floats:
    """Edges that give each value a cell of its own, and one beyond either end."""
    return np.asarray(np.r_[np.nextafter(x[0], -np.inf), (x[1:] + x[:-1]) / 2, x[-1]])


def level_profile(name: str, codes: Codes, levels: int, ordered: bool) -> Profile:
    """Profile of level codes (m,).

    A code is a place in the contract's list, `levels` for an unlisted one, -1 for a missing one.
    """
    present = codes[codes >= 0]
    cells = np.bincount(present, minlength=levels + 1).astype(float)
    return Profile(
        name=name,
        levels=levels,
        rows=len(present),
        missing=len(codes) - len(present),
        cells=cells,
        dependence=_level_dependence(present, cells, codes < 0) if ordered else INDEPENDENT,
    )


def _level_dependence(present: Codes, cells: Floats, missing: Marks) -> Dependence:
    """Dependence in time of the rows of the most frequent levels."""
    frequent = np.argsort(-cells)[:SCORED]
    return dependence((present[:, None] == frequent).astype(float), missing)


def tally(profile: Profile, values: Floats | Codes) -> Tally:
    """Sums over the last axis of a column's values (…, n): numbers, NaN missing, or level codes."""
    if profile.levels:
        return _level_tally(profile, values.astype(np.int64))
    return _number_tally(profile, values.astype(np.float64))


def _number_tally(profile: Profile, values: Floats) -> Tally:
    absent = np.isnan(values)
    cell = np.where(absent, -1, np.searchsorted(profile.edges, values))
    score = np.where(absent, 0.0, _scores(profile, values))
    sums = rounded(score).sum(axis=-1), rounded(score**2).sum(axis=-1)
    return _tally(profile, absent, cell, *sums)


def rounded(values: Floats) -> Floats:
    """Values rounded to a multiple of 2^-20 (one part in a million).

    Sums of such values are exact up to 2^33, whatever their order: 300 million squared scores of
    the largest kind. So a window's sums do not depend on the parts in which it was read.
    """
    return np.round(values * EXACT) / EXACT


def _scores(profile: Profile, values: Floats) -> Floats:
    x, z = profile.knots
    return np.interp(values, x, z) if len(x) else np.zeros(values.shape)


def _level_tally(profile: Profile, codes: Codes) -> Tally:
    zero = np.zeros(codes.shape[:-1])
    return _tally(profile, codes < 0, codes, zero, zero)


def _tally(profile: Profile, absent: Marks, cell: Codes, scores: Floats, squares: Floats) -> Tally:
    return Tally(
        rows=(~absent).sum(axis=-1).astype(float),
        missing=absent.sum(axis=-1).astype(float),
        cells=_counts(cell, len(profile.cells)),
        scores=scores,
        squares=squares,
    )


def _counts(cell: Codes, cells: int) -> Floats:
    """How often each cell occurs along the last axis; negative ones not at all."""
    windows, bins = int(np.prod(cell.shape[:-1])), cells + 1  # the first bin is of the missing rows
    bin_of_row = cell.reshape(windows, cell.shape[-1]) + 1 + bins * np.arange(windows)[:, None]
    counts = np.bincount(bin_of_row.ravel(), minlength=windows * bins).reshape(windows, bins)
    return counts[:, 1:].reshape(*cell.shape[:-1], cells).astype(float)

"""What a column looked like in the reference, and the sums that any window of it comes to.

A number x becomes its normal score z = Φ⁻¹(F(x)), F the reference's distribution: location, spread
and shape are then measured alike for every number, however skewed. A level becomes its place in the
contract. Both fall into cells: ten of equal share for numbers, one for each level (and one for all
unlisted ones) for levels. The column tests need nothing but sums over rows, so a window is read
once and never held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from ml.monitoring.statistics.dependence import INDEPENDENT, Dependence, dependence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]

CELLS = 10  # of a number; the usual count for the population stability index
FEW = 10  # a number with no more different values than this gets a cell for each
KNOTS = 512  # of a number's distribution; between them it is a straight line
SCORED = 12  # levels whose dependence in time is measured: the most frequent ones


@dataclass(frozen=True)
class Profile:
    """One column of the reference.

    Args:
        name: the column.
        levels: number of levels, 0 for a number.
        rows: reference rows with a value.
        missing: reference rows without.
        cells: rows in each cell, (B,).
        edges: upper ends of a number's cells but the last, (B - 1,).
        knots: a number's values and their normal scores, ascending, two arrays (k,).
        mean: expected normal score of a new row, and `variance` of the scores.
        square: expected squared score of a new row, and `square_variance` of the squares.
        dependence: how much the sums vary more in time than independent rows' would.
    """

    name: str
    levels: int
    rows: int
    missing: int
    cells: Floats
    edges: Floats
    knots: tuple[Floats, Floats]
    mean: float
    variance: float
    square: float
    square_variance: float
    dependence: Dependence


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

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def number_profile(name: str, values: Floats, ordered: bool) -> Profile:
    """Profile of a number's reference values (m,), NaN missing; `ordered`: the rows follow time."""
    present = values[~np.isnan(values)]
    x, z = _knots(present)
    score = np.interp(present, x, z) if len(present) else present
    edges = _edges(x, present)
    cell = np.searchsorted(edges, present)
    mean, square, square_variance = _moments(score, z)
    return Profile(
        name=name,
        levels=0,
        rows=len(present),
        missing=len(values) - len(present),
        cells=np.bincount(cell, minlength=len(edges) + 1).astype(float),
        edges=edges,
        knots=(x, z),
        mean=mean,
        variance=float(score.var()) if len(present) else 0.0,
        square=square,
        square_variance=square_variance,
        dependence=_dependence(score, cell, edges, np.isnan(values)) if ordered else INDEPENDENT,
    )


def _moments(score: Floats, z: Floats) -> tuple[float, float, float]:
    """Expected score of a new row, its expected square, and the variance of its square."""
    ends = z[[0, -1]] if len(z) else np.zeros(2)
    square = _expected(score**2, ends**2)
    return _expected(score, ends), square, _expected(score**4, ends**4) - square**2


def _dependence(
    score: Floats, cell: Codes, edges: Floats, missing: NDArray[np.bool_]
) -> Dependence:
    """Dependence in time of what the tests sum: scores, their squares, and each cell's rows."""
    in_cells = [cell == place for place in range(len(edges) + 1)]
    return dependence(np.stack([score, score**2, *in_cells], axis=1), missing)


def _expected(values: Floats, ends: Floats) -> float:
    """Mean for a new row: beyond either end (probability 1 / (m + 1)) it counts as the end does."""
    return float((values.sum() + ends.mean()) / (len(values) + 1))


def _knots(present: Floats) -> tuple[Floats, Floats]:
    x, count = np.unique(present, return_counts=True)
    z = np.asarray(
        special.ndtri((np.cumsum(count) - count / 2) / max(len(present), 1)), dtype=np.float64
    )
    if len(x) <= KNOTS:
        return x, z
    # even in z: the tails keep each value
    kept = np.unique(np.searchsorted(z, np.linspace(z[0], z[-1], KNOTS)))
    return x[kept], z[kept]


def _edges(x: Floats, present: Floats) -> Floats:
    if len(x) == 0:
        return np.empty(0)
    if len(x) <= FEW:
        between = (x[1:] + x[:-1]) / 2
        return np.concatenate([[np.nextafter(x[0], -np.inf)], between, [x[-1]]])
    return np.unique(np.quantile(present, np.arange(1, CELLS) / CELLS, method="lower"))


def level_profile(name: str, codes: Codes, levels: int, ordered: bool) -> Profile:
    """Profile of level codes (m,).

    A code is a place in the contract's list, `levels` for an unlisted one, -1 for a missing one.
    """
    present = codes[codes >= 0]
    cells = np.bincount(present, minlength=levels + 1).astype(float)
    often = np.argsort(-cells)[:SCORED]
    parts = np.stack([present == code for code in often], axis=1).astype(float)
    none = np.empty(0)
    return Profile(
        name=name,
        levels=levels,
        rows=len(present),
        missing=len(codes) - len(present),
        cells=cells,
        edges=none,
        knots=(none, none),
        mean=0.0,
        variance=0.0,
        square=0.0,
        square_variance=0.0,
        dependence=dependence(parts, codes < 0) if ordered else INDEPENDENT,
    )


def number_tally(profile: Profile, values: Floats) -> Tally:
    """Sums over the last axis of values (…, n), NaN missing."""
    absent = np.isnan(values)
    x, z = profile.knots
    score = np.where(absent, 0.0, np.interp(values, x, z)) if len(x) else np.zeros(values.shape)
    cell = np.where(absent, -1, np.searchsorted(profile.edges, values))
    return Tally(
        rows=(~absent).sum(axis=-1).astype(float),
        missing=absent.sum(axis=-1).astype(float),
        cells=_counts(cell, len(profile.edges) + 1),
        scores=score.sum(axis=-1),
        squares=(score**2).sum(axis=-1),
    )


def level_tally(profile: Profile, codes: Codes) -> Tally:
    """Sums over the last axis of level codes (…, n); see `level_profile`."""
    absent = codes < 0
    zero = np.zeros(codes.shape[:-1])
    cells = _counts(codes, profile.levels + 1)
    return Tally(
        (~absent).sum(axis=-1).astype(float), absent.sum(axis=-1).astype(float), cells, zero, zero
    )


def _counts(cell: NDArray[np.int64], cells: int) -> Floats:
    """How often each cell occurs along the last axis; negative ones not at all."""
    flat = cell.reshape(int(np.prod(cell.shape[:-1])), cell.shape[-1])
    place = flat + 1 + (cells + 1) * np.arange(len(flat))[:, None]
    counted = np.bincount(place.ravel(), minlength=len(flat) * (cells + 1)).reshape(
        len(flat), cells + 1
    )
    return counted[:, 1:].reshape(*cell.shape[:-1], cells).astype(float)


def tally(profile: Profile, values: NDArray[np.float64] | NDArray[np.int64]) -> Tally:
    """Sums of either kind of column."""
    if profile.levels:
        return level_tally(profile, values.astype(np.int64))
    return number_tally(profile, values.astype(np.float64))

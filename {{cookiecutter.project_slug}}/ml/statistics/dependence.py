"""How much more block means of a series vary than those of independent rows: variance inflation.

Autocorrelated and seasonal rows move together, so a window of n rows says less than n independent
ones. For block lengths b = 2, 4, 8, … the reference is cut into blocks and
V(b) = b · Var(block mean) / Var(row) is measured: 1 for independent rows, (1 + a) / (1 - a) for a
long block of an AR(1) series (batch means: Alexopoulos, Seila 1998). A window's test statistic is
divided by the root of the largest V(b) up to its own length, and compared with Student's t with one
degree of freedom less than there were blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Marks = NDArray[np.bool_]

MIN_BLOCKS = 16  # the variance of fewer blocks is too uncertain
# block lengths that leave as many blocks decide whether rows depend on each other at all
DECIDING_BLOCKS = 64
SURE = 5.0  # V(b) counts as dependence when it is so many standard errors above 1
RARE = 0.01  # a cell with a smaller share is too noisy to show dependence


class Inflation(NamedTuple):
    """Variance inflation of a window's sums.

    Args:
        parts: V of the column's scores and cells, (p,); of independent rows (1,).
        missing: V of its missing marks.
        freedom: degrees of freedom of the estimate; infinite for independent rows.
    """

    parts: Floats
    missing: float
    freedom: float

    @property
    def largest(self) -> float:
        """The largest V of the parts."""
        return float(self.parts.max())


@dataclass(frozen=True)
class Dependence:
    """Variance inflation by block length.

    Args:
        lengths: block lengths in rows, ascending, (k,); empty: rows are independent.
        parts: V of the column's scores and cells, (k, p).
        missing: V of its missing marks, (k,).
        rows: reference rows that the blocks were cut from.
    """

    lengths: Floats
    parts: Floats
    missing: Floats
    rows: int

    def at(self, window: float) -> Inflation:
        """The inflation for a window of so many rows."""
        if not len(self.lengths):
            return Inflation(np.ones(1), 1.0, np.inf)
        last = max(1, int(np.searchsorted(self.lengths, window, side="right")))
        freedom = float(self.rows / self.lengths[last - 1] - 1)
        return Inflation(self.parts[:last].max(axis=0), float(self.missing[:last].max()), freedom)


INDEPENDENT = Dependence(np.empty(0), np.empty((0, 1)), np.empty(0), 0)


def dependence(parts: Floats, missing: Marks) -> Dependence:
    """Inflation by block length, INDEPENDENT where none is shown.

    Args:
        parts: columns (m, p) of the rows with a value, in order of time.
        missing: marks of all rows (n,).
    """
    rows, lengths = len(parts), block_lengths(len(parts))
    if not len(lengths):
        return INDEPENDENT
    of_parts, of_missing = inflation(parts, lengths), _missing_inflation(missing, lengths)
    limit = _limit(lengths, rows)
    parts_depend = (of_parts > limit)[:, _is_frequent(parts)].any()
    missing_depend = missing.mean() > RARE and (of_missing > limit[:, 0]).any()
    if not parts_depend and not missing_depend:
        return INDEPENDENT
    return Dependence(lengths, np.maximum(of_parts, 1.0), np.maximum(of_missing, 1.0), rows)


def _missing_inflation(missing: Marks, lengths: Floats) -> Floats:
    """V of the missing marks for each length, (k,)."""
    missing_lengths = block_lengths(len(missing))[: len(lengths)]
    return inflation(missing[:, None].astype(float), missing_lengths)[:, 0]


def _limit(lengths: Floats, rows: int) -> Floats:
    """V from which rows depend on each other, by length (k, 1); infinite for the longer blocks."""
    limit = 1 + SURE * np.sqrt(2 * lengths / rows)
    return np.where(lengths <= max(rows / DECIDING_BLOCKS, 2), limit, np.inf)[:, None]


def _is_frequent(parts: Floats) -> Marks:
    """Columns (p,) that can show dependence: scores and cells, neither constant nor rare."""
    is_score, is_frequent_cell = parts.min(axis=0) < 0, parts.mean(axis=0) > RARE
    return np.asarray((parts.var(axis=0) > 0) & (is_score | is_frequent_cell))


def block_lengths(rows: int) -> Floats:
    """Powers of two that leave at least MIN_BLOCKS blocks, from 2."""
    longest = rows // MIN_BLOCKS
    exponents = np.arange(1, int(np.log2(max(longest, 1))) + 1, dtype=np.float64)
    return np.exp2(exponents)


def inflation(parts: Floats, lengths: Floats) -> Floats:
    """V(b) of each column of parts (m, p) for each length, (k, p); 1 for a constant column."""
    variance = parts.var(axis=0)
    divisor = np.where(variance > 0, variance, 1.0)
    rows = [b * _block_means(parts, int(b)).var(axis=0, ddof=1) / divisor for b in lengths]
    by_length = np.array(rows).reshape(len(lengths), parts.shape[1])
    inflations: Floats = np.where(variance > 0, by_length, 1.0)
    return inflations


def _block_means(parts: Floats, length: int) -> Floats:
    blocks = len(parts) // length
    means: Floats = parts[: blocks * length].reshape(blocks, length, -1).mean(axis=1)
    return means

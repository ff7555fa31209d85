"""How much more block means of a series vary than those of independent rows: variance inflation.

Autocorrelated and seasonal rows move together, so a window of n rows says less than n independent
ones. For block lengths b = 1, 2, 4, … the reference is cut into blocks and
V(b) = b · Var(block mean) / Var(row) is measured: 1 for independent rows,
(1 + a) / (1 - a) for a long block of an AR(1)
series (batch means: Alexopoulos, Seila 1998). A window's test statistic is divided by the root of
the largest V(b) up to its own length, and held against Student's t with as many degrees of freedom
as there were blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MIN_BLOCKS = 16  # fewer say little about their own variance
TELLING_BLOCKS = 64  # lengths that leave as many decide whether rows depend on each other at all
SURE = 5.0  # standard errors beyond 1 that V(b) must lie there to count as dependence
RARE = 0.01  # a cell with a smaller share is too noisy to tell dependence


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

    def at(self, window: float) -> tuple[Floats, float, float]:
        """V of the parts and of the missing marks, and degrees of freedom, for `window` rows."""
        if not len(self.lengths):
            return np.ones(1), 1.0, np.inf
        last = max(1, int(np.searchsorted(self.lengths, window, side="right")))
        freedom = self.rows / self.lengths[last - 1] - 1
        return self.parts[:last].max(axis=0), float(self.missing[:last].max()), float(freedom)


INDEPENDENT = Dependence(np.empty(0), np.empty((0, 1)), np.empty(0), 0)


def dependence(parts: Floats, missing: NDArray[np.bool_]) -> Dependence:
    """Inflation by block length, INDEPENDENT where none is shown.

    Args:
        parts: columns (m, p) of the rows with a value, in order of time.
        missing: marks of all rows (n,).
    """
    lengths = block_lengths(len(parts))
    if not len(lengths):
        return INDEPENDENT
    missing_lengths = block_lengths(len(missing))[: len(lengths)]
    of_parts = inflation(parts, lengths)
    of_missing = inflation(missing[:, None].astype(float), missing_lengths)[:, 0]
    short = lengths <= max(len(parts) / TELLING_BLOCKS, 2)
    limit = (1 + SURE * np.sqrt(2 * lengths / len(parts)))[:, None]
    parts_depend = (of_parts > limit)[short][:, _is_frequent(parts)].any()
    missing_depends = missing.mean() > RARE and (of_missing[:, None] > limit)[short].any()
    if not parts_depend and not missing_depends:
        return INDEPENDENT
    return Dependence(lengths, np.maximum(of_parts, 1.0), np.maximum(of_missing, 1.0), len(parts))


def _is_frequent(parts: Floats) -> NDArray[np.bool_]:
    """Columns (p,) that can show dependence: scores and cells, neither constant nor rare."""
    is_score, is_frequent_cell = parts.min(axis=0) < 0, parts.mean(axis=0) > RARE
    frequent: NDArray[np.bool_] = (parts.var(axis=0) > 0) & (is_score | is_frequent_cell)
    return frequent


def block_lengths(rows: int) -> Floats:
    """Powers of two that leave at least MIN_BLOCKS blocks, from 2."""
    most = rows // MIN_BLOCKS
    return (
        np.exp2(np.arange(1, int(np.log2(most)) + 1, dtype=np.float64))
        if most >= 2
        else np.empty(0)
    )


def inflation(parts: Floats, lengths: Floats) -> Floats:
    """V(b) of each column of parts (m, p) for each length, (k, p); 1 for a constant column."""
    variance = parts.var(axis=0)
    safe = np.where(variance > 0, variance, 1.0)
    rows = [b * _block_means(parts, int(b)).var(axis=0, ddof=1) / safe for b in lengths]
    by_length = np.array(rows).reshape(len(lengths), parts.shape[1])
    inflations: Floats = np.where(variance > 0, by_length, 1.0)
    return inflations


def _block_means(parts: Floats, length: int) -> Floats:
    blocks = len(parts) // length
    means: Floats = parts[: blocks * length].reshape(blocks, length, -1).mean(axis=1)
    return means

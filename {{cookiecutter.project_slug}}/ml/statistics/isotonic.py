"""Isotonic regression: the curve that never falls and lies closest to the outcomes of scores.

The figures are those of scikit-learn's IsotonicRegression, without its import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESOLUTION = float(np.finfo(np.float64).resolution)  # scores that are closer count as one


def isotonic(score: Floats, positive: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
    """How often rows of a score are positive, fitted on rows (n,); lines between their scores."""
    order = np.argsort(score, kind="stable")
    x, starts = _distinct(score[order])
    rows = np.diff(starts, append=len(score)).astype(np.float64)
    shares = np.add.reduceat(positive[order].astype(np.float64), starts) / rows
    y = np.clip(pooled(shares, rows), 0.0, 1.0)  # a mean may miss 1 by a rounding

    def predict(new: Floats) -> Floats:
        return np.asarray(np.interp(new, x, y), dtype=np.float64)

    return predict


def _distinct(ascending: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Different values of a sorted array, and where each one starts."""
    starts = np.r_[0, np.flatnonzero(np.diff(ascending)) + 1]
    if len(starts) > 1 and np.diff(ascending[starts]).min() < RESOLUTION:
        starts = _merged(ascending, starts)
    return ascending[starts], starts


def _merged(ascending: Floats, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The starts whose value is at least RESOLUTION above that of the start before."""
    kept = [int(starts[0])]
    for start in starts[1:].tolist():
        if ascending[start] - ascending[kept[-1]] >= RESOLUTION:
            kept.append(start)
    return np.array(kept)


class Block:
    """Adjacent means that share one value: their weighted mean."""

    def __init__(self, mean: float, weight: float) -> None:
        self.mean, self.weight, self.size = mean, weight, 1
        self._total = weight * mean

    def add(self, other: Block) -> None:
        """Pool a neighbour with this one."""
        self._total += other.weight * other.mean
        self.weight += other.weight
        self.size += other.size
        self.mean = self._total / self.weight


def pooled(means: Floats, weights: Floats) -> Floats:
    """The closest means (n,) that never fall: adjacent violators are pooled (Busing 2022)."""
    pairs = zip(means.tolist(), weights.tolist(), strict=True)
    ahead, done = [Block(mean, weight) for mean, weight in pairs][::-1], list[Block]()
    while ahead:
        block = ahead.pop()
        if done and done[-1].mean >= block.mean:
            block.add(done.pop())
            while ahead and block.mean >= ahead[-1].mean:
                block.add(ahead.pop())
            while done and done[-1].mean >= block.mean:
                block.add(done.pop())
        done.append(block)
    return np.repeat([block.mean for block in done], [block.size for block in done])

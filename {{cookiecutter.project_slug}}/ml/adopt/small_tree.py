"""A decision tree of a few leaves in NumPy, grown on some rows and asked about the others.

It grows best first by Gini impurity or variance (CART, Breiman et al. 1984), as scikit-learn's with
`max_leaf_nodes` does; importing that takes longer than all else that adopt does with a small table.
A missing number counts as below all others.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.int32]

MIN_LEAF = 5  # rows of a leaf, at least
BLOCK = 1 << 21  # values that are looked at in one call
NO_GAIN = 1e-10  # of the whole impurity: rounding


@dataclass(frozen=True)
class Answer:
    """What a tree says of the rows that it has not seen.

    Attributes:
        values: (rows, classes) shares, or (rows, 1) means of a regression.
        importances: (columns,) share of each in what the splits explain.
    """

    values: Floats
    importances: Floats


@dataclass(frozen=True)
class _Split:
    gain: float  # what it explains, in squared units of the target times rows
    column: int
    threshold: float  # rows up to it go below


@dataclass(frozen=True)
class _Node:
    order: Rows  # (columns, rows to grow on), sorted by each column
    asked: NDArray[np.intp]  # rows to answer


def grow_and_ask(x: Floats, y: NDArray[Any], grown_on: NDArray[np.bool_], leaves: int) -> Answer:
    """Grow a tree on some rows and answer the others.

    Args:
        x: (rows, columns) numbers, NaN: missing.
        y: (rows,) classes as whole numbers (int64) or values to predict (float64).
        grown_on: which rows to grow it on.
        leaves: how many it has at most.
    """
    numbers = np.where(np.isnan(x), -np.inf, x).T
    tree = _Tree(np.ascontiguousarray(numbers[:, grown_on]), y[grown_on], numbers[:, ~grown_on])
    return tree.answer(leaves, int(y.max()) + 1 if y.dtype.kind == "i" else 0)


class _Tree:
    """The rows of a tree, and how they are split."""

    def __init__(self, x: Floats, y: NDArray[Any], asked: Floats) -> None:
        self.x, self.y, self.asked = x, y, asked
        self.is_class = y.dtype.kind == "i"
        self.importances = np.zeros(len(x))
        least = np.square(y - y.mean()).sum() * NO_GAIN
        self.least_gain = float(max(least, np.finfo(np.float64).tiny))

    def answer(self, leaves: int, classes: int) -> Answer:
        values = np.zeros((self.asked.shape[1], classes or 1))
        for node in self._leaves(leaves):
            values[node.asked] = self._value(node, classes)
        explained = self.importances.sum()
        return Answer(values, self.importances / explained if explained else self.importances)

    def _value(self, node: _Node, classes: int) -> Any:
        rows = node.order[0]
        if not self.is_class:
            return self.y[rows].mean()
        return np.bincount(self.y[rows], minlength=classes) / len(rows)

    def _leaves(self, most: int) -> Iterator[_Node]:
        """Split what explains most first, until there are so many leaves or nothing to split."""
        order = np.argsort(self.x, axis=1, kind="stable").astype(np.int32)
        number, done = count(), list[_Node]()
        heap = [self._candidate(_Node(order, np.arange(self.asked.shape[1])), next(number))]
        while heap and len(heap) + len(done) < most:
            _, _, node, split = heapq.heappop(heap)
            if split is None:
                done.append(node)
                continue
            self.importances[split.column] += split.gain
            for child in self._children(node, split):
                heapq.heappush(heap, self._candidate(child, next(number)))
        yield from done
        yield from (node for _, _, node, _ in heap)

    def _candidate(self, node: _Node, number: int) -> tuple[float, int, _Node, _Split | None]:
        """A node in the queue: by gain, then by age."""
        split = self._best_split(node.order)
        return (-split.gain if split else 0.0, number, node, split)

    def _children(self, node: _Node, split: _Split) -> tuple[_Node, _Node]:
        below = self.x[split.column] <= split.threshold
        asked = self.asked[split.column, node.asked] <= split.threshold
        return (
            _Node(_among(node.order, below), node.asked[asked]),
            _Node(_among(node.order, ~below), node.asked[~asked]),
        )

    def _best_split(self, order: Rows) -> _Split | None:
        columns, rows = order.shape
        if rows < 2 * MIN_LEAF:
            return None
        step = max(1, BLOCK // rows)
        blocks = (slice(first, first + step) for first in range(0, columns, step))
        best = max((self._best_of(order[b], b.start) for b in blocks), key=lambda s: s.gain)
        return best if best.gain > self.least_gain else None

    def _best_of(self, order: Rows, first: int) -> _Split:
        """The best split by one of some columns, of which the first is column `first`."""
        x = np.take_along_axis(self.x[first : first + len(order)], order, axis=1)
        gains = self._gains(x, self.y[order])
        column, at = np.unravel_index(int(np.argmax(gains)), gains.shape)
        low, high = x[column, at + MIN_LEAF - 1], x[column, at + MIN_LEAF]
        middle = low if np.isinf(low) else low + (high - low) / 2
        return _Split(float(gains[column, at]), first + int(column), float(middle))

    def _gains(self, x: Floats, y: NDArray[Any]) -> Floats:
        """What a split after each row explains; minus infinity between equal numbers.

        Gini impurity and variance alike: squared sums of the sides, over their rows.

        Args:
            x: (columns, rows) numbers, in order.
            y: (columns, rows) the rows' targets in that order.
        """
        rows = x.shape[1]
        below, above = _squares_of_classes(y) if self.is_class else _squares_of_sums(y)
        size = np.arange(MIN_LEAF, rows - MIN_LEAF + 1)
        sides = slice(MIN_LEAF - 1, rows - MIN_LEAF)
        gains = below[:, sides] / size + above[:, sides] / (rows - size) - below[:, -1:] / rows
        is_gap = x[:, MIN_LEAF : rows - MIN_LEAF + 1] > x[:, sides]
        return np.where(is_gap, gains, -np.inf)


def _among(order: Rows, chosen: NDArray[np.bool_]) -> Rows:
    """The chosen rows, still sorted by each column."""
    return order[chosen[order]].reshape(len(order), -1)


def _squares_of_sums(y: Floats) -> tuple[Floats, Floats]:
    """Square of the targets' sum up to each row, and behind it."""
    below = np.cumsum(y, axis=1)
    return np.square(below), np.square(below[:, -1:] - below)


def _squares_of_classes(y: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Sum over classes of the squared number of rows up to each row, and behind it.

    One more row of a class that has n adds (n + 1)² - n² = 2 n + 1.
    """
    totals = np.bincount(y[0])
    below = np.cumsum(2 * _earlier(y, totals) + 1, axis=1, dtype=np.float64)
    mixed = np.cumsum(totals[y], axis=1, dtype=np.float64)
    return below, np.square(totals, dtype=np.float64).sum() - 2 * mixed + below


def _earlier(y: NDArray[np.int64], totals: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows of a row's own class stand before it, for each column's order."""
    by_class = np.argsort(y.astype(np.uint16), axis=1, kind="stable")
    starts = np.repeat(np.cumsum(totals) - totals, totals)
    earlier = np.empty_like(y)
    np.put_along_axis(earlier, by_class, np.arange(y.shape[1])[None] - starts[None], axis=1)
    return earlier

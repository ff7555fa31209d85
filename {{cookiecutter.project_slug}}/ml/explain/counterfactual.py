"""The nearest change of a row that changes its class (Wachter et al. 2018), of few columns.

A change takes a value that the bundle's reference rows have and the contract allows. Columns that
`explain.fixed` lists stay, and so do moments, texts, and what is not a feature; no change leaves a
value out. First each column alone is tried, then the most promising changes with a second and a
third one: nearest means fewest columns, then the shortest way, a number's counted in the spread of
the reference rows (5 % to 95 %), any other change as 1. Of two columns and more the search is no
proof that there is nothing nearer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.contract import Boolean, Categorical, Contract, Integer, Numeric
from ml.encode import Matrix, features_of

if TYPE_CHECKING:
    from ml.contract import Column

Shares = NDArray[np.float32]
Answer = Callable[[Matrix], Shares]  # matrix (n, k) → probabilities (n, classes)

GRID = 16  # values of a number that are tried first
MOST_CHANGES = 3
KEPT = 3  # most promising changes, to which another one is added


@dataclass(frozen=True)
class Movable:
    """A column that a change may move.

    Args:
        column: of the contract.
        place: in the matrix.
        seen: its encoded values in the reference rows that the contract allows, ascending.
        spread: of its numbers; 0 where values have no distance.
    """

    column: Column
    place: int
    seen: Matrix
    spread: float

    def grid(self) -> Matrix:
        """The values that are tried first: all of few, else evenly spaced along the seen ones."""
        if len(self.seen) <= GRID or not self.spread:
            return self.seen
        even: Matrix = self.seen[np.linspace(0, len(self.seen) - 1, GRID).round().astype(int)]
        return even

    def distance(self, before: float, after: float) -> float:
        """How far a change moves it."""
        if not self.spread or np.isnan(before):
            return 1.0
        return abs(after - before) / self.spread

    def as_json(self, value: float) -> Any:
        """An encoded value as a request has it."""
        match self.column:
            case Categorical(levels=levels):
                return levels[int(value)]
            case Boolean():
                return bool(value)
            case Integer():
                return int(value)
        return float(str(np.float32(value)))  # the shortest number that is this float32


def movable(contract: Contract, pool: Matrix, fixed: Collection[str]) -> list[Movable]:
    """The columns that a change may move, with the values that the reference rows have."""
    found, place = [], 0
    for column in contract.columns:
        if not features_of(column):  # carried along, or for audits
            continue
        if isinstance(column, Numeric | Integer | Boolean | Categorical):
            seen = _seen(column, pool[:, place])
            if len(seen) and column.name not in fixed:
                spread = _spread(seen, pool[:, place]) if _is_number(column) else 0.0
                found.append(Movable(column, place, seen, spread))
        place += len(features_of(column))
    return found


def _is_number(column: Column) -> bool:
    return isinstance(column, Numeric | Integer)


def _seen(column: Column, values: Matrix) -> Matrix:
    """Distinct values that are not missing, not an unlisted level, and within the range."""
    seen = np.unique(values[~np.isnan(values)])
    if isinstance(column, Categorical):
        return seen[seen >= 0]
    if isinstance(column, Numeric | Integer):
        low = -np.inf if column.min is None else column.min
        high = np.inf if column.max is None else column.max
        return seen[(seen >= low) & (seen <= high)]
    return seen


def _spread(seen: Matrix, values: Matrix) -> float:
    low, high = np.nanquantile(values, (0.05, 0.95))
    return float(high - low) or float(seen[-1] - seen[0]) or 1.0


Change = tuple[tuple[Movable, float], ...]  # each moved column with its new encoded value


class Search:
    """Looks for the nearest change of one row.

    Args:
        answer: the model.
        row: the row's encoded values, (k,).
        columns: that a change may move.
    """

    def __init__(self, answer: Answer, row: Matrix, columns: Sequence[Movable]) -> None:
        self._answer = answer
        self._row = row
        self._columns = columns
        self.code = int(answer(row[None])[0].argmax())  # of the row's class

    def nearest(self) -> Change | None:
        """The nearest change that was found; None: no change of three columns was."""
        kept: list[Change] = [()]
        for _ in range(MOST_CHANGES):
            options = [longer for change in kept for longer in self._longer(change)]
            if not options:
                return None
            answers = self.answers(options)
            flips = np.flatnonzero(answers.argmax(axis=1) != self.code)
            if len(flips):
                return self._refined([options[i] for i in flips])
            promising = answers[:, self.code].argsort(kind="stable")
            kept = _distinct([options[i] for i in promising])
        return None

    def _longer(self, change: Change) -> list[Change]:
        """The change with one more column."""
        moved = {movable.place for movable, _ in change}
        return [
            (*change, (column, float(value)))
            for column in self._columns
            if column.place not in moved
            for value in column.grid()
            if value != self._row[column.place]
        ]

    def answers(self, changes: Sequence[Change]) -> Shares:
        """The model's answers to the row with each of some changes."""
        rows = np.repeat(self._row[None], len(changes), axis=0)
        for row, change in zip(rows, changes, strict=True):
            for column, value in change:
                row[column.place] = value
        return self._answer(rows)

    def flips(self, changes: Sequence[Change]) -> NDArray[np.bool_]:
        """Which changes change the class."""
        return np.asarray(self.answers(changes).argmax(axis=1) != self.code)

    def distance(self, change: Change) -> float:
        """How far a change moves the row."""
        return sum(c.distance(float(self._row[c.place]), value) for c, value in change)

    def _refined(self, flipping: Sequence[Change]) -> Change:
        """The nearest of changes that flip, each moved no further than it needs."""
        nearest: dict[tuple[int, ...], Change] = {}
        for change in sorted(flipping, key=self.distance):
            nearest.setdefault(tuple(sorted(c.place for c, _ in change)), change)
        shortest = sorted(nearest.values(), key=self.distance)[: len(self._columns)]
        return min((self._shortened(change) for change in shortest), key=self.distance)

    def _shortened(self, change: Change) -> Change:
        """The change with each number moved as little as it takes, one after the other."""
        for i, (column, value) in enumerate(change):
            closer = [
                (*change[:i], (column, float(v)), *change[i + 1 :])
                for v in self._between(column, value)
            ]
            if closer:
                flips = np.flatnonzero(self.flips(closer))
                change = min((closer[j] for j in flips), key=self.distance, default=change)
        return change

    def _between(self, column: Movable, value: float) -> Matrix:
        """Seen values between the row's and a new one, as far as the next value of the grid."""
        before = self._row[column.place]
        if not column.spread or np.isnan(before):
            return column.seen[:0]
        low, high = min(before, value), max(before, value)
        stops = [v for v in column.grid() if low < v < high] if len(column.seen) > GRID else []
        if stops:
            low, high = _gap(before, value, stops)
        between: Matrix = column.seen[(column.seen > low) & (column.seen < high)]
        return between


def _gap(before: float, value: float, stops: Sequence[float]) -> tuple[float, float]:
    """The last part of the way from a value to another, behind the last stop."""
    return (max(stops), value) if before < value else (value, min(stops))


def _distinct(changes: Sequence[Change]) -> list[Change]:
    """The first changes, of each set of columns one."""
    kept: dict[frozenset[int], Change] = {}
    for change in changes:
        kept.setdefault(frozenset(c.place for c, _ in change), change)
        if len(kept) == KEPT:
            break
    return list(kept.values())

"""Each figure between two groups of a column, with Holm's correction over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from ml.statistics.influence import Z

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.fairness.by_group import GroupFigure

    Floats = NDArray[np.float64]

LEAST_ROWS = 10  # of each of two figures that are compared: the normal distribution needs some


class Difference(NamedTuple):
    """A figure of one group less that of another.

    Args:
        column: of both.
        first: level of the group.
        second: level of the group that is subtracted.
        figure: its name.
        value: the difference.
        error: its standard error.
    """

    column: str
    first: str
    second: str
    figure: str
    value: float
    error: float

    @property
    def ends(self) -> tuple[float, float]:
        """The 95 % interval of this difference alone."""
        return self.value - Z * self.error, self.value + Z * self.error

    def p_beyond(self, tolerance: float) -> float:
        """How often groups that are `tolerance` apart and no more show as much: two-sided at 0."""
        sides = 2.0 if tolerance == 0 else 1.0
        beyond = (abs(self.value) - tolerance) / self.error if self.error else np.inf
        return float(min(1.0, sides * special.ndtr(-beyond)))


def differences(figures: Sequence[GroupFigure]) -> list[Difference]:
    """Every pair of groups of a column, for every figure that both have enough rows for."""
    enough = [each for each in figures if each.rows >= LEAST_ROWS]
    return [
        _difference(first, second)
        for first, second in combinations(enough, 2)
        if (first.column, first.figure) == (second.column, second.figure)
    ]


def _difference(first: GroupFigure, second: GroupFigure) -> Difference:
    error = np.sqrt(first.variance / first.rows + second.variance / second.rows)
    gap = first.value - second.value
    return Difference(first.column, first.level, second.level, first.figure, gap, float(error))


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """The p-values after Holm's procedure (1979): one at or below alpha is rejected at alpha."""
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    steps = given[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in adjusted]

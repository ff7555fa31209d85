"""Each figure by group, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ml.statistics.influence import Z, standard_error
from ml.statistics.proportions import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.fairness.groups import Group
    from ml.fairness.measures import Measure

    Floats = NDArray[np.float64]


class GroupFigure(NamedTuple):
    """One figure of one group; NaN where no row defines it.

    Args:
        column: of the group.
        level: of the column.
        figure: its name.
        rows: that it is of.
        value: the figure.
        low: lower end of its 95 % interval.
        high: upper end.
        variance: of the rows' values, for the difference of two groups.
    """

    column: str
    level: str
    figure: str
    rows: int
    value: float
    low: float
    high: float
    variance: float


def by_group(groups: Sequence[Group], measured: Sequence[Measure]) -> list[GroupFigure]:
    """Every figure of every group."""
    return [_figure(group, measure) for group in groups for measure in measured]


def _figure(group: Group, measure: Measure) -> GroupFigure:
    values = measure.values[group.rows[measure.counts[group.rows]]]
    n = len(values)
    place = group.column, group.level, measure.name, n
    if n == 0:
        return GroupFigure(*place, np.nan, np.nan, np.nan, np.nan)
    described = _of_share(values) if measure.is_share else _of_mean(values)
    return GroupFigure(*place, *described)


def _of_share(values: Floats) -> tuple[float, float, float, float]:
    """Value, interval and variance of a share.

    The variance is that of one row more of each kind (Agresti and Caffo 2000), so that it is never
    0.
    """
    n, hits = len(values), float(values.sum())
    share = (hits + 1) / (n + 2)
    return hits / n, *wilson(round(hits), n), share * (1 - share) * n / (n + 2)


def _of_mean(values: Floats) -> tuple[float, float, float, float]:
    mean = float(values.mean())
    if len(values) == 1:
        return mean, np.nan, np.nan, np.nan
    reach = Z * standard_error(values)
    return mean, mean - reach, mean + reach, float(values.var(ddof=1))

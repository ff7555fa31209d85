"""The rule on slices: no group of rows is worse off by more than a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from ml.dataset.slices import Slice, slices_of
from ml.errors import printable
from ml.release.gate.decision import Check
from ml.release.gate.paired import ALPHA, NEGATIVE_MSE, paired_gain
from ml.statistics.multiple_testing import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.params import Evaluate, Release
    from ml.release.gate.comparison import Comparison
    from ml.release.gate.paired import Inflation

NO_SLICE = "no slice is worse"
NAMED = 3  # slices that a refusal names


@dataclass(frozen=True)
class SliceLoss:
    """What one slice loses.

    Args:
        column: and `level`, the slice.
        rows: of it.
        loss: of the metric; for numbers of the explained share of the whole target's variance.
        p_value: how often a slice that loses the margin and no more shows as much.
    """

    column: str
    level: str | bool
    rows: int
    loss: float
    p_value: float

    def __str__(self) -> str:
        name = f"{printable(self.column, 30)} = {printable(str(self.level), 30)}"
        return f"{name}: {-self.loss:+.4f} on {self.rows:,} rows (p {self.p_value:.2g})"


def no_slice_worse(compared: Comparison, release: Release, evaluate: Evaluate) -> Check | None:
    """Is no slice's loss beyond `release.max_slice_loss` shown? null: off.

    The slices are those of `evaluate.slices` with `release.min_rows` rows or more. Holm's procedure
    over all of them keeps the chance that a challenger which is worse in none is refused at 5 %
    (Holm 1979).
    """
    margin = release.max_slice_loss
    if margin is None:
        return None
    losses = _losses(compared, margin, evaluate, release.min_rows)
    if not losses:
        return Check(NO_SLICE, True, "no slice has enough rows to judge", {"slices": 0})
    p_values = np.array([each.p_value for each in losses])
    worse = [losses[i] for i in np.flatnonzero(holm(p_values, np.ones(len(losses)), ALPHA))]
    values: dict[str, Any] = {"slices": len(losses), "max_slice_loss": margin}
    values |= {"worse": [vars(s) for s in worse], "lowest_p": vars(_lowest(losses))}
    then = "raise release.max_slice_loss in params.yaml; null switches the rule off"
    return Check(NO_SLICE, not worse, _figures(losses, worse, margin), values, then)


def _figures(losses: Sequence[SliceLoss], worse: Sequence[SliceLoss], margin: float) -> str:
    if not worse:
        return f"of {len(losses)} slices the lowest p is of {_lowest(losses)}"
    ordered = sorted(worse, key=lambda each: each.p_value)
    more = f" and {len(worse) - NAMED} more" if len(worse) > NAMED else ""
    named = "; ".join(map(str, ordered[:NAMED]))
    return f"{named}{more}; of {len(losses)} slices, each may lose {margin:g}"


def _lowest(losses: Sequence[SliceLoss]) -> SliceLoss:
    return min(losses, key=lambda each: each.p_value)


def _losses(
    compared: Comparison, margin: float, evaluate: Evaluate, min_rows: int
) -> list[SliceLoss]:
    """The slices in which the metric has a value, of enough rows to decide anything."""
    metric, data = _scaled(compared)
    every = slices_of(compared.frame, compared.contract, evaluate)
    found = [each for each in every if len(each.rows) >= min_rows]
    losses = [_loss(each, metric, data, margin, compared.inflation) for each in found]
    return [loss for loss in losses if not np.isnan(loss.p_value)]


def _scaled(compared: Comparison) -> tuple[str, tuple[Any, Any, Any]]:
    """The metric of a slice, and outcomes and answers for it.

    A slice's own r2 depends on how much the slice varies, so numbers are measured by their squared
    error in units of the whole target's variance.
    """
    data = compared.y, compared.challenger, compared.champion
    if compared.contract.is_classification:
        return compared.metric, data
    scale = float(compared.y.std()) or 1.0
    return NEGATIVE_MSE, tuple(values / scale for values in data)  # type: ignore[return-value]


def _loss(
    where: Slice,
    metric: str,
    data: tuple[Any, Any, Any],
    margin: float,
    inflation: Inflation,
) -> SliceLoss:
    rows = where.rows
    y, challenger, champion = (values[rows] for values in data)
    gain = paired_gain(metric, y, challenger, champion, inflation)
    loss = -gain.value
    # the variance where the slice loses nothing, as in McNemar's test: few rows that all change
    # for the worse have little spread among themselves
    error = np.hypot(gain.error, loss / np.sqrt(len(rows)))
    p_value = _p_value(loss - margin, float(error), gain.freedom)
    return SliceLoss(where.column, where.level, len(rows), loss, p_value)


def _p_value(excess: float, error: float, freedom: float) -> float:
    """One-sided, by Student's t; NaN where the metric has no value."""
    if error == 0:
        return 0.0 if excess > 0 else 1.0
    return float(special.stdtr(freedom, -excess / error))

"""How much each row moves a metric: standard errors and intervals without a bootstrap.

A metric of n rows is about its true value plus the mean of n influences, so that the spread of the
influences gives its standard error at the cost of computing the metric once (Hampel 1974). For the
area under the ROC curve this is the estimate of DeLong, DeLong and Clarke-Pearson (1988). Rows are
taken to be independent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.metrics import EPSILON, TASK_METRICS, measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Z = 1.959964  # of a two-sided 95 % interval
# what a metric can be at least and at most; intervals end there
BOUNDS = {"r2": (-np.inf, 1.0), "log_loss": (0.0, np.inf), "mae": (0.0, np.inf)}
BOUNDS["rmse"] = BOUNDS["mae"]


def intervals(y: NDArray[Any], answer: NDArray[Any], task: str) -> dict[str, list[float]]:
    """The 95 % interval [low, high] of every metric of the task that the rows define."""
    found = {name: interval(name, y, answer) for name in TASK_METRICS[task]}
    return {name: ends for name, ends in found.items() if ends is not None}


def interval(metric: str, y: NDArray[Any], answer: NDArray[Any]) -> list[float] | None:
    """The 95 % interval [low, high] of a metric; None where the rows cannot define it."""
    value = measure(metric, y, answer)
    reach = Z * standard_error(influence(metric, y, answer))
    if np.isnan(value + reach):
        return None
    low, high = BOUNDS.get(metric, (0.0, 1.0))
    return [max(value - reach, low), min(value + reach, high)]


def standard_error(influences: Floats) -> float:
    """Of the metric whose influences (n,) these are; NaN of a single row."""
    n = len(influences)
    return float(influences.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan


def influence(metric: str, y: NDArray[Any], answer: NDArray[Any]) -> Floats:
    """What each row adds to a metric of `ml.metrics`, (n,); NaN where it is not defined.

    Args:
        metric: its name.
        y: class codes or values, (n,).
        answer: probabilities (n, k) or values (n, 1).
    """
    return _INFLUENCE[metric](y, answer)


def _roc_auc(y: NDArray[Any], answer: NDArray[Any]) -> Floats:
    codes = [1] if answer.shape[1] == 2 else range(answer.shape[1])
    each = [_roc_area(y == code, answer[:, code]) for code in codes]
    defined = [influences for influences in each if not np.isnan(influences[0])]
    return np.mean(defined, axis=0) if defined else np.full(len(y), np.nan)


def _roc_area(positive: NDArray[np.bool_], score: Floats) -> Floats:
    """Share of the other class that a row is on the right side of, less its mean, by class size."""
    n, positives = len(positive), int(positive.sum())
    if positives in (0, n):
        return np.full(n, np.nan)
    share = np.empty(n)
    share[positive] = _share_below(score[~positive], score[positive])
    share[~positive] = 1 - _share_below(score[positive], score[~positive])
    area = share[positive].mean()
    weight = np.where(positive, n / positives, n / (n - positives))
    return np.asarray((share - area) * weight)


def _share_below(among: Floats, values: Floats) -> Floats:
    """Share of `among` below each value; ties count half."""
    ordered = np.sort(among)
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return below / (2 * len(among))


def _average_precision(y: NDArray[Any], answer: NDArray[Any]) -> Floats:
    """By rows at or above each score: A of the positive class and B of both, as shares.

    The metric is E[Y A(S) / B(S)] / P(Y); its three parts move with a row.
    """
    n, positive = len(y), (y == 1).astype(np.float64)
    share = positive.mean()
    if share in (0.0, 1.0):
        return np.full(n, np.nan)
    _, place = np.unique(answer[:, 1], return_inverse=True)
    above, above_positive = _from_above(place, np.ones(n)), _from_above(place, positive)
    precision = above_positive / above
    # what a row changes of the precision of all positive rows at or below its score
    gained = _from_below(place, positive / above)
    lost = _from_below(place, positive * precision / above)
    value = (positive * precision).mean() / share
    moved = positive * precision + positive * gained - lost - value * positive
    return np.asarray((moved - moved.mean()) / share)


def _from_above(place: NDArray[np.intp], weight: Floats) -> Floats:
    """For each row the weight of the rows at its place or above."""
    total = np.bincount(place, weight)
    return np.asarray(np.cumsum(total[::-1])[::-1][place])


def _from_below(place: NDArray[np.intp], weight: Floats) -> Floats:
    """For each row the weight of the rows at its place or below."""
    return np.asarray(np.cumsum(np.bincount(place, weight))[place])


def _balanced_accuracy(y: NDArray[Any], answer: NDArray[Any]) -> Floats:
    right, moved = answer.argmax(axis=1) == y, np.zeros(len(y))
    codes = np.unique(y)
    for code in codes:
        rows = y == code
        moved[rows] = (right[rows] - right[rows].mean()) * len(y) / rows.sum()
    return np.asarray(moved / len(codes))


def _centred(values: NDArray[Any]) -> Floats:
    return np.asarray(values - values.mean(), dtype=np.float64)


def _log_losses(y: NDArray[Any], answer: NDArray[Any]) -> Floats:
    share = answer[np.arange(len(y)), y] / answer.sum(axis=1)
    return np.asarray(-np.log(np.clip(share, EPSILON, 1 - EPSILON)))


def _rmse(y: NDArray[Any], answer: NDArray[Any]) -> Floats:
    square = np.square(y - answer[:, 0])
    root = np.sqrt(square.mean())
    return _centred(square) / (2 * root) if root else np.zeros(len(y))


def _r2(y: NDArray[Any], answer: NDArray[Any]) -> Floats:
    spread = y.var()
    if spread == 0:
        return np.full(len(y), np.nan)
    missed, around = np.square(y - answer[:, 0]), np.square(y - y.mean())
    return np.asarray(_centred(missed.mean() / spread * around - missed) / spread)


_INFLUENCE: dict[str, Callable[[NDArray[Any], NDArray[Any]], Floats]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "balanced_accuracy": _balanced_accuracy,
    "accuracy": lambda y, answer: _centred(answer.argmax(axis=1) == y),
    "log_loss": lambda y, answer: _centred(_log_losses(y, answer)),
    "brier": lambda y, answer: _centred(np.square(answer[:, 1] - y)),
    "r2": _r2,
    "mae": lambda y, answer: _centred(np.abs(answer[:, 0] - y)),
    "rmse": _rmse,
}

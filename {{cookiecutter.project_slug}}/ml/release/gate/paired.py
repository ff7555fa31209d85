"""Paired bootstrap of a metric's difference between two models on the same rows, vectorised.

Both models are scored on the same resampled rows (Efron and Tibshirani 1993, chapter 13), which are
counts: how often each row was drawn. A resample is then a weighted metric, and hundreds of them are
one matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from ml.metrics import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    # how many times larger a variance is than independent rows', and its degrees of freedom
    Inflation = tuple[float, float]
    Weighted = Callable[
        [Floats], Floats
    ]  # counts of the rows (b, n) → metric of each resample (b,)

ALPHA = 0.05  # of each one-sided limit and of each rule: 95 % confidence
INDEPENDENT = (1.0, np.inf)
RESAMPLES = 300
CELLS = 2_000_000  # counts in memory at once
# of more rows so many are drawn once, without replacement; the standard error is scaled
MOST_ROWS = 20_000
NEGATIVE_MSE = "negative_mse"  # regression: minus the mean squared error


@dataclass(frozen=True)
class Gain:
    """A metric of the challenger less the champion's, on the same rows.

    Args:
        challenger: the metric; NaN where the rows cannot define it.
        champion: the same.
        error: standard error of the difference.
        freedom: degrees of freedom of the error.
        rows: of the comparison.
        alpha: probability that a gain of nothing lies beyond one of the limits.
    """

    challenger: float
    champion: float
    error: float
    freedom: float
    rows: int
    alpha: float

    @property
    def value(self) -> float:
        """Challenger less champion."""
        return self.challenger - self.champion

    @property
    def at_least(self) -> float:
        """The lower one-sided limit (Student's t)."""
        return self.value - self._reach

    @property
    def at_most(self) -> float:
        """The upper one-sided limit."""
        return self.value + self._reach

    @property
    def _reach(self) -> float:
        if self.error == 0:
            return 0.0
        return float(special.stdtrit(self.freedom, 1 - self.alpha) * self.error)


def paired_gain(
    metric: str,
    y: NDArray[Any],
    challenger: Floats,
    champion: Floats,
    inflation: Inflation = INDEPENDENT,
    alpha: float = ALPHA,
) -> Gain:
    """The difference of a metric with its standard error, seeded.

    Args:
        metric: one that the gate compares, or `NEGATIVE_MSE`; higher is better.
        y: class codes or values, (n,).
        challenger: its answers, (n, k).
        champion: its answers to the same rows.
        inflation: how much the rows' dependence in time inflates the variance, and the degrees of
            freedom of that figure.
        alpha: of the one-sided limits.
    """
    by, freedom = inflation
    ours, theirs = _value(metric, y, challenger), _value(metric, y, champion)
    error = _error(metric, y, challenger, champion) * np.sqrt(by)
    return Gain(ours, theirs, float(error), float(min(freedom, max(len(y) - 1, 1))), len(y), alpha)


def _value(metric: str, y: NDArray[Any], answer: Floats) -> float:
    if metric == NEGATIVE_MSE:
        return -float(np.square(y - answer[:, 0]).mean())
    return measure(metric, y, answer)


def _error(metric: str, y: NDArray[Any], challenger: Floats, champion: Floats) -> float:
    """Standard error of the difference for independent rows."""
    rng, n = np.random.default_rng(0), len(y)
    kept = slice(None) if n <= MOST_ROWS else np.sort(rng.permutation(n)[:MOST_ROWS])
    y, challenger, champion = y[kept], challenger[kept], champion[kept]
    ours, theirs = weighted(metric, y, challenger), weighted(metric, y, champion)
    gains = np.concatenate([ours(w) - theirs(w) for w in _resampled(len(y), rng)])
    defined = gains[~np.isnan(gains)]
    return float(defined.std(ddof=1) * np.sqrt(len(y) / n)) if len(defined) > 1 else np.nan


def _resampled(n: int, rng: np.random.Generator) -> Iterator[Floats]:
    """How often each of n rows is drawn: (b, n), some resamples at a time."""
    left = RESAMPLES
    while left > 0:
        b = min(left, max(1, CELLS // n))
        left -= b
        drawn = rng.integers(0, n, (b, n)) + np.arange(b)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n).astype(np.float64)


def weighted(metric: str, y: NDArray[Any], answer: Floats) -> Weighted:
    """The metric as a function of how often each row counts; what can be is computed once."""
    return _WEIGHTED[metric](y, answer)


def _mean(score: Floats) -> Weighted:
    return lambda w: w @ score / w.sum(axis=1)


def _accuracy(y: NDArray[Any], answer: Floats) -> Weighted:
    return _mean((answer.argmax(axis=1) == y).astype(np.float64))


def _balanced_accuracy(y: NDArray[Any], answer: Floats) -> Weighted:
    """Mean recall of the classes that a resample holds."""
    of_class = (y[:, None] == np.unique(y)).astype(np.float64)  # (n, classes)
    right = (answer.argmax(axis=1) == y)[:, None] * of_class

    def figure(w: Floats) -> Floats:
        return _mean_of_defined(_share(w @ right, w @ of_class))

    return figure


def _mean_of_defined(values: Floats) -> Floats:
    """Means over the last axis (b, k) without NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    return _share(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1))


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Part / whole; NaN where the whole is nothing."""
    nothing = np.full(np.shape(part), np.nan)
    return np.asarray(np.divide(part, whole, out=nothing, where=whole > 0), dtype=np.float64)


def _roc_auc(y: NDArray[Any], answer: Floats) -> Weighted:
    """Of two classes: of the last one; of more: one against the rest, averaged where defined."""
    codes = [1] if answer.shape[1] == 2 else np.unique(y)
    areas = [_roc_area(y == code, answer[:, code]) for code in codes]
    return lambda w: _mean_of_defined(np.stack([area(w) for area in areas], axis=1))


def _by_score(
    positive: NDArray[np.bool_], score: Floats
) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Counts → positive and other rows at each different score, from the lowest, (b, scores)."""
    order = np.argsort(score, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])  # of rows that tie
    hit = positive[order].astype(np.float64)

    def counts(w: Floats) -> tuple[Floats, Floats]:
        of_all = w[:, order]
        of_positive = of_all * hit
        if len(first) < len(order):
            of_all = np.add.reduceat(of_all, first, axis=1)
            of_positive = np.add.reduceat(of_positive, first, axis=1)
        return of_positive, of_all - of_positive

    return counts


def _roc_area(positive: NDArray[np.bool_], score: Floats) -> Weighted:
    """Share of pairs in which the positive row scores higher; ties count half."""
    counts = _by_score(positive, score)

    def figure(w: Floats) -> Floats:
        hits, others = counts(w)
        above = (hits * (np.cumsum(others, axis=1) - others / 2)).sum(axis=1)
        return _share(above, hits.sum(axis=1) * others.sum(axis=1))

    return figure


def _average_precision(y: NDArray[Any], answer: Floats) -> Weighted:
    """Mean precision, weighed by what each threshold adds to recall."""
    counts = _by_score(y == 1, -answer[:, 1])

    def figure(w: Floats) -> Floats:
        hits, others = counts(w)
        found, of_all = np.cumsum(hits, axis=1), hits.sum(axis=1)
        shown = found + np.cumsum(others, axis=1)
        precision = np.divide(found, shown, out=np.zeros(found.shape), where=shown > 0)
        return _share((hits * precision).sum(axis=1), of_all)

    return figure


def _r2(y: NDArray[Any], answer: Floats) -> Weighted:
    centred = y - y.mean()
    parts = np.stack([np.square(y - answer[:, 0]), centred, np.square(centred)], axis=1)

    def figure(w: Floats) -> Floats:
        missed, total, square = (w @ parts).T
        spread = square - total**2 / w.sum(axis=1)
        return 1 - _share(missed, spread)

    return figure


_WEIGHTED: dict[str, Callable[[NDArray[Any], Floats], Weighted]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "balanced_accuracy": _balanced_accuracy,
    "accuracy": _accuracy,
    "r2": _r2,
    NEGATIVE_MSE: lambda y, answer: _mean(-np.square(y - answer[:, 0])),
}

"""Performance before any outcome has come: an estimate, from what the model says about itself.

Classification: confidence-based (CBPE): calibrated probabilities are what the outcomes will be on
average, so the metric's expectation can be computed. Regression: direct loss estimation (DLE): a
second model, fitted on the reference, predicts the size of the error from the row. Both hold under
a shift of the inputs and are blind to a change of what the inputs mean (concept change): only
outcomes show that. Method: NannyML's documentation of CBPE and DLE; isotonic calibration (Zadrozny,
Elkan 2002).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from ml.dataset.frame import encode_frame
from ml.encode import Encoder
from ml.metrics import measure
from ml.monitoring.checks.performance import Cohort, cohort
from ml.monitoring.verdict import Estimate, Finding
from ml.statistics.isotonic import isotonic

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.params import Monitor

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]
    Estimator = Callable[[Floats], float]  # a window's answers or encoded rows → its metric
    Calibration = Callable[[Floats], Floats]  # probabilities → how often the class comes
    ErrorModel = Callable[[Floats], Floats]  # encoded rows → expected absolute errors

CHUNKS = 16  # parts of the reference on which the estimate is compared with the truth
GROUPS = 8  # of the reference's rows, for the jackknife of a regression's estimate
MIN_ROWS = 500  # of the reference; with fewer nothing is estimated
REACH = 2.0  # standard errors either side of the estimate: 95 % of windows
ONE_THREAD_VALUES = 200_000  # of the reference
TINY = 1e-12  # keeps a division by zero from a warning
BOOSTING: dict[str, Any] = {"random_state": 0, "early_stopping": True, "min_samples_leaf": 20}
LOWER_IS_BETTER = {"mae", "rmse", "log_loss", "brier"}


@dataclass(frozen=True)
class Fitted:
    """What is fitted on the reference: the estimator, its reach either side, the metric there."""

    metric: str
    estimator: Estimator
    reach: Estimator
    reference: float


@lru_cache(maxsize=2)
def fitted(champion: Champion) -> Fitted:
    """Fit the estimator on the reference and measure how far it is from the truth there."""
    return _confidence(champion) if champion.contract.is_classification else _direct_loss(champion)


def estimate(window: Window, champion: Champion) -> Estimate | None:
    """The window's metric estimated from its rows alone; None where too few rows are there."""
    if len(champion.outcome) < MIN_ROWS or not window.mine.any():
        return None
    with tree_threads(champion):
        model, inputs = fitted(champion), _inputs(window, champion)
        value, reach = model.estimator(inputs), model.reach(inputs)
    return Estimate(
        metric=model.metric,
        value=value,
        low=value - reach,
        high=value + reach,
        reference=model.reference,
        truth=_truth(model.metric, cohort(window)),
    )


def tree_threads(champion: Champion) -> AbstractContextManager[Any]:
    """One thread for boosted trees of few rows: there threads wait for each other."""
    values = champion.reference.size
    if champion.contract.is_classification or values >= ONE_THREAD_VALUES:
        return nullcontext()
    import sklearn.ensemble  # noqa: F401  (only a pool that is loaded can be limited)
    from threadpoolctl import threadpool_limits

    limited: AbstractContextManager[Any] = threadpool_limits(1, "openmp")
    return limited


def _inputs(window: Window, champion: Champion) -> Floats:
    """What the estimator takes: the champion's probabilities, or its encoded rows."""
    if champion.contract.is_classification:
        return window.answer[window.mine]
    return _encoded(window.sample[window.mine[window.places]], champion)


def _encoded(frame: pd.DataFrame, champion: Champion) -> Floats:
    return encode_frame(frame, Encoder(champion.contract)).astype(np.float64)


def _truth(metric: str, group: Cohort) -> float | None:
    """The metric by outcomes, where they define it."""
    value = measure(metric, group.outcome, group.answer) if len(group.outcome) >= 2 else np.nan
    return None if np.isnan(value) else value


def _confidence(champion: Champion) -> Fitted:
    """CBPE on all reference rows; its error is measured on halves that it was not calibrated on."""
    metric = champion.metric if champion.metric in EXPECTED else "accuracy"
    answer, outcome = champion.answer, champion.outcome.astype(np.int64)
    rms, part_rows = _held_out_error(metric, answer, outcome), len(outcome) / CHUNKS

    def reach(new: Floats) -> float:
        # wider for a window smaller than a part, never narrower for a larger one: what is wrong
        # with the estimator does not average out
        return REACH * rms * float(np.sqrt(max(1.0, part_rows / max(len(new), 1))))

    estimator = _expected_metric(metric, answer, outcome)
    return Fitted(metric, estimator, reach, reference=measure(metric, outcome, answer))


def _expected_metric(metric: str, answer: Floats, outcome: Codes) -> Estimator:
    """The metric that is expected of new answers if outcomes follow these rows' calibration."""
    calibrate = calibration(answer, outcome)
    return lambda new: EXPECTED[metric](new, calibrate(new))


def _held_out_error(metric: str, answer: Floats, outcome: Codes) -> float:
    """Root mean square of estimate minus truth, on parts of the half that was not calibrated on."""
    even, odd = np.arange(0, len(outcome), 2), np.arange(1, len(outcome), 2)
    errors = [
        *_errors(metric, answer, outcome, even, odd),
        *_errors(metric, answer, outcome, odd, even),
    ]
    return float(np.sqrt(np.nanmean(np.square(errors))))


def _errors(metric: str, answer: Floats, outcome: Codes, half: Codes, other: Codes) -> list[float]:
    """Estimate minus truth on the parts of the other half, of an estimator fitted on one half."""
    estimator = _expected_metric(metric, answer[half], outcome[half])
    return [
        estimator(answer[rows]) - measure(metric, outcome[rows], answer[rows])
        for rows in np.array_split(other, CHUNKS // 2)
    ]


def calibration(answer: Floats, outcome: Codes) -> Calibration:
    """Isotonic calibration of each class's probability, scaled to a sum of 1.

    answer: (n, classes); outcome: codes.
    """
    codes = _compared(answer)
    curves = [isotonic(answer[:, code], outcome == code) for code in codes]

    def calibrate(new: Floats) -> Floats:
        shares = np.stack([f(new[:, c]) for f, c in zip(curves, codes, strict=True)], axis=1)
        return _scaled(shares if len(codes) > 1 else np.concatenate([1 - shares, shares], axis=1))

    return calibrate


def _compared(answer: Floats) -> list[int]:
    """The classes that are compared with all others; of two classes the last one."""
    return [1] if answer.shape[1] == 2 else list(range(answer.shape[1]))


def _scaled(shares: Floats) -> Floats:
    """Rows that sum to 1."""
    scaled: Floats = shares / np.maximum(shares.sum(axis=1, keepdims=True), TINY)
    return scaled


def _accuracy(answer: Floats, chance: Floats) -> float:
    return float(np.take_along_axis(chance, answer.argmax(axis=1)[:, None], axis=1).mean())


def _balanced_accuracy(answer: Floats, chance: Floats) -> float:
    label = answer.argmax(axis=1)
    recalls = [_recall(label == code, chance[:, code]) for code in range(chance.shape[1])]
    return float(np.mean(recalls))


def _recall(predicted: NDArray[np.bool_], chance: Floats) -> float:
    return float(chance[predicted].sum() / max(chance.sum(), TINY))


def _roc_auc(answer: Floats, chance: Floats) -> float:
    return float(np.mean([_area(answer[:, c], chance[:, c]) for c in _compared(answer)]))


def _area(score: Floats, chance: Floats) -> float:
    """Area under the ROC curve where every row is positive by its chance, else negative."""
    right, wrong = _counts_above(score, chance)
    bent = np.r_[True, (np.diff(wrong, 2) != 0) | (np.diff(right, 2) != 0), True]
    corners = bent if len(right) > 2 else slice(None)
    right, wrong = np.r_[0.0, right[corners]], np.r_[0.0, wrong[corners]]
    if not (right[-1] > 0 and wrong[-1] > 0):
        return np.nan
    return float(np.trapezoid(right / right[-1], wrong / wrong[-1]))


def _average_precision(answer: Floats, chance: Floats) -> float:
    """Mean precision where every row is positive by its chance, weighed by the gains of recall."""
    right, wrong = _counts_above(answer[:, 1], chance[:, 1])
    if not right[-1] > 0:
        return 0.0
    recall = np.r_[np.flip(right / right[-1]), 0.0]
    return float(max(0.0, -np.sum(np.diff(recall) * np.flip(right / (right + wrong)))))


def _counts_above(score: Floats, chance: Floats) -> tuple[Floats, Floats]:
    """Expected positive and other rows at or above each different score, highest score first."""
    order = np.argsort(-score, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(score) - 1]  # of rows that tie
    return np.cumsum(chance[order])[last], np.cumsum(1 - chance[order])[last]


EXPECTED: dict[str, Callable[[Floats, Floats], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
}


def _direct_loss(champion: Champion) -> Fitted:
    """Boosted models of the absolute error by the encoded row, each without one group of the rows.

    The interval adds three variances: of the window's errors around what is expected of its rows;
    of the estimator, by the jackknife over the groups, at the window's own rows (Tukey 1958); and
    what is wrong on parts of the reference that are shifted on purpose, namely sorted by the
    champion's answer. The first and the last are measured in units of the expected error, which
    grows and shrinks with a shift.
    """
    prediction = champion.answer[:, 0]
    error = np.abs(champion.outcome - prediction)
    models, expected = _cross_fitted(_encoded(champion.reference, champion), error)
    noise = float(((error - expected) ** 2).mean() / (expected**2).mean())
    loss = LossModels(models, noise, _excess(prediction, error, expected, noise))
    return Fitted("mae", loss.mean, loss.reach, float(error.mean()))


def _cross_fitted(x: Floats, error: Floats) -> tuple[list[ErrorModel], Floats]:
    """A model without each group of the rows, and what it expects of that group."""
    group = np.arange(len(error)) % GROUPS
    models = [_loss_model(x[group != g], error[group != g]) for g in range(GROUPS)]
    expected = np.empty(len(error))
    for g, model in enumerate(models):
        expected[group == g] = model(x[group == g])
    return models, expected


@dataclass(frozen=True)
class LossModels:
    """The jackknife's models of the absolute error.

    Args:
        models: encoded rows (n, k) → expected absolute errors (n,), one without each group.
        noise: variance of a row's error around its expectation, in units of that squared.
        excess: squared error of a shifted part's mean beyond that noise, in the same units.
    """

    models: list[ErrorModel]
    noise: float
    excess: float

    def means(self, new: Floats) -> Floats:
        """Each model's mean expected error."""
        return np.array([model(new).mean() for model in self.models])

    def mean(self, new: Floats) -> float:
        """The estimate: the mean absolute error expected of the rows."""
        return float(self.means(new).mean())

    def reach(self, new: Floats) -> float:
        """Half the width of the 95 % interval."""
        means = self.means(new)
        of_rows = self.noise * (self.models[0](new) ** 2).mean() / len(new)
        of_estimator = (len(means) - 1) * means.var()  # jackknife (Tukey 1958)
        of_shift = self.excess * means.mean() ** 2
        t = special.stdtrit(len(means) - 1, 0.975)
        return float(t * np.sqrt(of_rows + of_estimator + of_shift))


def _excess(prediction: Floats, error: Floats, expected: Floats, noise: float) -> float:
    """Mean squared error beyond chance of parts that are sorted by the champion's answer."""
    parts = np.array_split(np.argsort(prediction), CHUNKS)
    excess = [_beyond_chance(error[rows], expected[rows], noise) for rows in parts]
    return max(float(np.mean(excess)), 0.0)


def _beyond_chance(error: Floats, expected: Floats, noise: float) -> float:
    """Squared error of the mean beyond what the rows' own noise gives it, by the expected mean."""
    squared = (expected - error).mean() ** 2
    chance = noise * (expected**2).mean() / len(error)
    return float((squared - chance) / expected.mean() ** 2)


def _loss_model(x: Floats, error: Floats) -> ErrorModel:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(**BOOSTING).fit(x, error)
    return lambda new: np.maximum(model.predict(new), TINY)


def estimate_findings(estimated: Estimate | None, settings: Monitor) -> list[Finding]:
    """A note where the estimate lies beyond the tolerated loss.

    Never a ticket, for it is no measurement.
    """
    if estimated is None or _least_loss(estimated) <= settings.max_loss:
        return []
    interval = f"({estimated.low:.3f} to {estimated.high:.3f})"
    words = (
        f"estimated {estimated.metric} {estimated.value:.3f} {interval}, "
        f"{estimated.reference:.3f} in the reference; an estimate from the rows alone, "
        "to be settled by outcomes"
    )
    value, reference = estimated.value, estimated.reference
    return [
        Finding.of_window("performance", "estimated_loss", words, value, reference, severity="note")
    ]


def _least_loss(estimated: Estimate) -> float:
    """The loss against the reference at the better end of the interval."""
    if estimated.metric in LOWER_IS_BETTER:
        return estimated.low - estimated.reference
    return estimated.reference - estimated.high

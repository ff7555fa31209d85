"""Performance before any outcome has come: an estimate, from what the model says about itself.

Classification: confidence-based (CBPE): calibrated probabilities are what the outcomes will be on average, so the
metric's expectation can be computed. Regression: direct loss estimation (DLE): a second model, fitted on the reference,
predicts the size of the error from the row. Both hold under a shift of the inputs and are blind to a change of what
the inputs mean (concept change): only outcomes show that. Method: NannyML's documentation of CBPE and DLE; isotonic
calibration (Zadrozny, Elkan 2002).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.encode import Encoder
from ml.frame import encode_frame
from ml.monitoring.finding import Finding
from ml.pipeline.metrics import measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ml.monitoring.champion import Champion
    from ml.monitoring.window import Window
    from ml.params import Monitor

    Floats = NDArray[np.float64]
    Estimator = Callable[[Floats], float]

CHUNKS = 16  # parts of the reference on which the estimate is compared with the truth
MIN_ROWS = 500  # of the reference; with fewer nothing is estimated
REACH = 2.0  # root mean square errors either side of the estimate


@dataclass(frozen=True)
class Estimate:
    """An estimated metric, its interval, and the metric's value on the reference. `truth` once outcomes came."""

    metric: str
    value: float
    low: float
    high: float
    reference: float
    truth: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The estimate as plain JSON values, said to be one."""
        return {"kind": "estimate, no outcomes used", **asdict(self)}


@dataclass(frozen=True)
class Fitted:
    """What is learnt from the reference, once: the estimator, its usual error on `part` rows, the metric there."""

    metric: str
    estimator: Estimator
    error: float
    part: float
    reference: float


@lru_cache(maxsize=2)
def fitted(champion: Champion) -> Fitted:
    """Fit the estimator on the champion's reference and measure how far it is from the truth there."""
    inputs: Floats
    outcome: NDArray[Any]
    if champion.contract.is_classification:
        metric = champion.metric if champion.metric in EXPECTED else "accuracy"
        inputs, outcome, fit = champion.answer, champion.outcome.astype(np.int64), _confidence(metric)
    else:
        encoded = encode_frame(champion.reference, Encoder(champion.contract))
        metric, inputs, outcome, fit = "mae", encoded.astype(np.float64), champion.outcome, _direct_loss(champion)
    return Fitted(
        metric=metric,
        estimator=fit(inputs, outcome, np.arange(len(outcome))),
        error=_usual_error(metric, fit, inputs, outcome, champion.answer),
        part=len(outcome) / CHUNKS,
        reference=measure(metric, outcome, champion.answer),
    )


def estimate(window: Window, champion: Champion) -> Estimate | None:
    """The window's metric as estimated from its rows alone; None where reference or window are too small."""
    if len(champion.outcome) < MIN_ROWS or not window.mine.any():
        return None
    made = fitted(champion)
    if champion.contract.is_classification:
        inputs = window.answer[window.mine]
    else:
        rows = window.mine[window.places]
        inputs = encode_frame(window.sample[rows], Encoder(champion.contract)).astype(np.float64)
    known = window.mine & ~np.isnan(window.outcome)
    value = made.estimator(inputs)
    # more for a smaller window, never less for a larger one: what is wrong with the estimator does not average out
    reach = REACH * made.error * float(np.sqrt(max(1.0, made.part / max(len(inputs), 1))))
    truth = _truth(made.metric, window.outcome[known], window.answer[known])
    return Estimate(made.metric, value, value - reach, value + reach, made.reference, truth)


def _truth(metric: str, outcome: Floats, answer: Floats) -> float | None:
    value = measure(metric, outcome, answer) if len(outcome) >= 2 else np.nan
    return None if np.isnan(value) else value


def _usual_error(metric: str, fit: Any, before: Floats, outcome: Any, answer: Floats) -> float:
    """Root mean square of estimate minus truth on parts of the reference that the estimator was not fitted on."""
    halves = np.arange(len(outcome)) % 2
    wrong = []
    for half in (0, 1):
        estimator, rest = fit(before, outcome, np.flatnonzero(halves == half)), np.flatnonzero(halves != half)
        parts = np.array_split(rest, CHUNKS // 2)
        wrong += [estimator(before[rows]) - measure(metric, outcome[rows], answer[rows]) for rows in parts]
    return float(np.sqrt(np.nanmean(np.square(wrong))))


def _confidence(metric: str) -> Any:
    def fit(before: Floats, outcome: Any, rows: NDArray[np.int64]) -> Estimator:
        calibrate = calibration(before[rows], outcome[rows])
        return lambda answer: EXPECTED[metric](answer, calibrate(answer))

    return fit


def calibration(answer: Floats, outcome: NDArray[np.int64]) -> Callable[[Floats], Floats]:
    """Isotonic calibration of each class's probability, summed to 1. answer: (n, classes); outcome: codes."""
    from sklearn.isotonic import IsotonicRegression

    codes = [1] if answer.shape[1] == 2 else list(range(answer.shape[1]))
    fitted = [IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(answer[:, c], outcome == c) for c in codes]

    def calibrate(new: Floats) -> Floats:
        shares = np.stack([f.predict(new[:, c]) for f, c in zip(fitted, codes, strict=True)], axis=1)
        if len(codes) == 1:
            shares = np.concatenate([1 - shares, shares], axis=1)
        summed: Floats = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
        return summed

    return calibrate


def _accuracy(answer: Floats, chance: Floats) -> float:
    return float(np.take_along_axis(chance, answer.argmax(axis=1)[:, None], axis=1).mean())


def _balanced_accuracy(answer: Floats, chance: Floats) -> float:
    label = answer.argmax(axis=1)
    recalls = [chance[label == c, c].sum() / max(chance[:, c].sum(), 1e-12) for c in range(chance.shape[1])]
    return float(np.mean(recalls))


def _roc_auc(answer: Floats, chance: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    codes = [1] if answer.shape[1] == 2 else range(answer.shape[1])
    return float(np.mean([_weighted(roc_auc_score, answer[:, c], chance[:, c]) for c in codes]))


def _average_precision(answer: Floats, chance: Floats) -> float:
    from sklearn.metrics import average_precision_score

    return _weighted(average_precision_score, answer[:, 1], chance[:, 1])


def _weighted(metric: Any, score: Floats, chance: Floats) -> float:
    """Every row counts as positive by its chance and as negative by the rest."""
    truth = np.repeat([1, 0], len(score))
    return float(metric(truth, np.tile(score, 2), sample_weight=np.concatenate([chance, 1 - chance])))


EXPECTED: dict[str, Callable[[Floats, Floats], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
}


def _direct_loss(champion: Champion) -> Any:
    """A boosted model of the absolute error, by the encoded row."""

    def fit(before: Floats, outcome: Any, rows: NDArray[np.int64]) -> Estimator:
        from sklearn.ensemble import HistGradientBoostingRegressor

        size = np.abs(outcome[rows] - champion.answer[rows, 0])
        model = HistGradientBoostingRegressor(random_state=0, max_iter=100, min_samples_leaf=20)
        model.fit(before[rows], size)
        return lambda x: float(model.predict(x).mean())

    return fit


def told(found: Estimate, settings: Monitor) -> list[Finding]:
    """A note where the estimate lies beyond the tolerated loss; never a ticket, for it is no measurement."""
    worse = -1.0 if found.metric in ("mae", "rmse", "log_loss", "brier") else 1.0
    edge = found.high if worse > 0 else found.low
    if worse * (found.reference - edge) <= settings.max_loss:
        return []
    words = (
        f"estimated {found.metric} {found.value:.3f} ({found.low:.3f} to {found.high:.3f}), {found.reference:.3f} in "
        "the reference; an estimate from the rows alone, to be settled by outcomes"
    )
    return [Finding("performance", "estimated_loss", None, words, found.value, found.reference, "note")]

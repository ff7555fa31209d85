"""Performance before any outcome has come: an estimate, from what the model says about itself.

Classification: confidence-based (CBPE): calibrated probabilities are what the outcomes will be on
average, so the metric's expectation can be computed. Regression: direct loss estimation (DLE): a
second model, fitted on the reference, predicts the size of the error from the row. Both hold under
a shift of the inputs and are blind to a change of what the inputs mean (concept change): only
outcomes show that. Method: NannyML's documentation of CBPE and DLE; isotonic calibration (Zadrozny,
Elkan 2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ml.dataset.frame import encode_frame
from ml.encode import Encoder
from ml.metrics import measure
from ml.monitoring.verdict import Estimate, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.params import Monitor

    Floats = NDArray[np.float64]
    Estimator = Callable[[Floats], float]

CHUNKS = 16  # parts of the reference on which the estimate is compared with the truth
GROUPS = 8  # of the reference's rows, for the jackknife of a regression's estimate
MIN_ROWS = 500  # of the reference; with fewer nothing is estimated
REACH = 2.0  # standard errors either side of the estimate: 95 % of windows


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
    made = fitted(champion)
    if champion.contract.is_classification:
        inputs = window.answer[window.mine]
    else:
        rows = window.mine[window.places]
        inputs = encode_frame(window.sample[rows], Encoder(champion.contract)).astype(np.float64)
    known = window.mine & ~np.isnan(window.outcome)
    value, reach = made.estimator(inputs), made.reach(inputs)
    truth = _truth(made.metric, window.outcome[known], window.answer[known])
    return Estimate(
        metric=made.metric,
        value=value,
        low=value - reach,
        high=value + reach,
        reference=made.reference,
        truth=truth,
    )


def _truth(metric: str, outcome: Floats, answer: Floats) -> float | None:
    value = measure(metric, outcome, answer) if len(outcome) >= 2 else np.nan
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


def _expected_metric(metric: str, answer: Floats, outcome: NDArray[np.int64]) -> Estimator:
    """The metric that is expected of new answers if outcomes follow these rows' calibration."""
    calibrate = calibration(answer, outcome)
    return lambda new: EXPECTED[metric](new, calibrate(new))


def _held_out_error(metric: str, answer: Floats, outcome: NDArray[np.int64]) -> float:
    """Root mean square of estimate minus truth, on parts of the half that was not calibrated on."""
    errors: list[float] = []
    for fitted_on, others in _halves(len(outcome)):
        estimator = _expected_metric(metric, answer[fitted_on], outcome[fitted_on])
        parts = np.array_split(others, CHUNKS // 2)
        errors += [estimator(answer[r]) - measure(metric, outcome[r], answer[r]) for r in parts]
    return float(np.sqrt(np.nanmean(np.square(errors))))


def _halves(rows: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to fit on and rows to judge by, twice."""
    even, odd = np.arange(0, rows, 2), np.arange(1, rows, 2)
    return [(even, odd), (odd, even)]


def calibration(answer: Floats, outcome: NDArray[np.int64]) -> Callable[[Floats], Floats]:
    """Isotonic calibration of each class's probability, scaled to a sum of 1.

    answer: (n, classes); outcome: codes.
    """
    from sklearn.isotonic import IsotonicRegression

    codes = [1] if answer.shape[1] == 2 else list(range(answer.shape[1]))
    fitted = [
        IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(answer[:, c], outcome == c)
        for c in codes
    ]

    def calibrate(new: Floats) -> Floats:
        shares = np.stack(
            [f.predict(new[:, c]) for f, c in zip(fitted, codes, strict=True)], axis=1
        )
        if len(codes) == 1:
            shares = np.concatenate([1 - shares, shares], axis=1)
        summed: Floats = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
        return summed

    return calibrate


def _accuracy(answer: Floats, chance: Floats) -> float:
    return float(np.take_along_axis(chance, answer.argmax(axis=1)[:, None], axis=1).mean())


def _balanced_accuracy(answer: Floats, chance: Floats) -> float:
    label = answer.argmax(axis=1)
    recalls = [
        chance[label == c, c].sum() / max(chance[:, c].sum(), 1e-12) for c in range(chance.shape[1])
    ]
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
    return float(
        metric(truth, np.tile(score, 2), sample_weight=np.concatenate([chance, 1 - chance]))
    )


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
    x = encode_frame(champion.reference, Encoder(champion.contract)).astype(np.float64)
    error = np.abs(champion.outcome - champion.answer[:, 0])
    group = np.arange(len(error)) % GROUPS
    models = [_loss_model(x[group != g], error[group != g]) for g in range(GROUPS)]
    expected = np.empty(len(error))
    for g, model in enumerate(models):
        expected[group == g] = model(x[group == g])
    noise = float(((error - expected) ** 2).mean() / (expected**2).mean())
    parts = np.array_split(np.argsort(champion.answer[:, 0]), CHUNKS)
    excess = float(np.mean([_beyond_chance(error[p], expected[p], noise) for p in parts]))
    loss = LossModels(models, noise, max(excess, 0.0))
    return Fitted("mae", loss.mean, loss.reach, float(error.mean()))


@dataclass(frozen=True)
class LossModels:
    """The jackknife's models of the absolute error.

    Args:
        models: encoded rows (n, k) → expected absolute errors (n,), one without each group.
        noise: variance of a row's error around its expectation, in units of that squared.
        excess: squared error of a shifted part's mean beyond that noise, in the same units.
    """

    models: list[Callable[[Floats], Floats]]
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
        t = stats.t.ppf(0.975, len(means) - 1)
        return float(t * np.sqrt(of_rows + of_estimator + of_shift))


def _beyond_chance(error: Floats, expected: Floats, noise: float) -> float:
    """Squared error of the mean beyond what the rows' own noise gives it, by the expected mean."""
    squared = (expected - error).mean() ** 2
    chance = noise * (expected**2).mean() / len(error)
    return float((squared - chance) / expected.mean() ** 2)


def _loss_model(x: Floats, error: Floats) -> Callable[[Floats], Floats]:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        random_state=0, early_stopping=True, min_samples_leaf=20
    ).fit(x, error)
    return lambda new: np.maximum(model.predict(new), 1e-12)


def estimate_findings(estimated: Estimate | None, settings: Monitor) -> list[Finding]:
    """A note where the estimate lies beyond the tolerated loss.

    Never a ticket, for it is no measurement.
    """
    if estimated is None:
        return []
    worse = -1.0 if estimated.metric in ("mae", "rmse", "log_loss", "brier") else 1.0
    edge = estimated.high if worse > 0 else estimated.low
    if worse * (estimated.reference - edge) <= settings.max_loss:
        return []
    interval = f"({estimated.low:.3f} to {estimated.high:.3f})"
    words = (
        f"estimated {estimated.metric} {estimated.value:.3f} {interval}, "
        f"{estimated.reference:.3f} in the reference; an estimate from the rows alone, "
        "to be settled by outcomes"
    )
    return [
        Finding(
            check="performance",
            what="estimated_loss",
            column=None,
            words=words,
            value=estimated.value,
            limit=estimated.reference,
            severity="note",
        )
    ]

"""What "good" means for each task: metrics, the one the gate compares, its bootstrap interval.

An answer is a matrix: (n, classes) probabilities for a classification, (n, 1) values for a
regression: what the scikit-learn pipeline, the ONNX bundle and the journal all give.

The metrics are formulas in NumPy, which the tests hold to scikit-learn's own: importing those takes
longer than evaluating a model, and their checks of every argument most of a bootstrap's time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Contract

RESAMPLES = 300
EPSILON = float(np.finfo(np.float64).eps)  # probabilities closer to 0 or 1 count as this far away
GATE = {"binary": "roc_auc", "multiclass": "balanced_accuracy", "regression": "r2"}


def answers(model: Any, x: NDArray[Any], contract: Contract) -> NDArray[np.float64]:
    """A fitted estimator's answer matrix for the encoded rows x."""
    if contract.is_classification:
        return np.asarray(model.predict_proba(x), dtype=np.float64)
    return np.asarray(model.predict(x), dtype=np.float64).reshape(-1, 1)


def naive_answer(y: NDArray[Any], contract: Contract) -> NDArray[np.float64]:
    """The answer that any model must beat, (k,): the rows' class shares, or their mean."""
    if contract.is_classification:
        counts = np.bincount(y.astype(np.int64), minlength=len(contract.target.classes))
        return np.asarray(counts / len(y))
    return np.array([y.mean()], dtype=np.float64)


def gate_metric(wanted: str, contract: Contract) -> str:
    """The metric's name (a key of `score`): higher is better for every one that may be asked for.

    Raises:
        UserError: the metric asked for is not one of the task.
    """
    task = contract.target.task
    metric = GATE[task] if wanted == "auto" else wanted
    if metric not in TASK_METRICS[task]:
        fitting = ", ".join(TASK_METRICS[task])
        raise UserError(
            f"params.yaml: evaluate.metric: {metric} is not defined for a {task} target",
            f"take one of {fitting}",
        )
    return metric


def score(y: NDArray[Any], answer: NDArray[Any], contract: Contract) -> dict[str, float]:
    """Every metric of the task for codes or values y, but those that the rows cannot define."""
    figures = {name: measure(name, y, answer) for name in TASK_METRICS[contract.target.task]}
    return {name: figure for name, figure in figures.items() if not np.isnan(figure)}


def measure(metric: str, y: NDArray[Any], answer: NDArray[Any]) -> float:
    """One metric; NaN where the rows cannot define it (one class only, all values equal)."""
    return float(_METRICS[metric](y, answer))


def _balanced_accuracy(y: NDArray[Any], answer: NDArray[Any]) -> float:
    """Mean recall of the classes that the rows hold."""
    label = answer.argmax(axis=1)
    return float(np.mean([(label[y == code] == code).mean() for code in np.unique(y)]))


def _log_loss(y: NDArray[Any], answer: NDArray[Any]) -> float:
    # float32 answers miss 1 by a little
    share = answer[np.arange(len(y)), y] / answer.sum(axis=1)
    return float(-np.log(np.clip(share, EPSILON, 1 - EPSILON)).mean())


def _roc_auc(y: NDArray[Any], answer: NDArray[Any]) -> float:
    """Of two classes: of the last one; of more: one against the rest, averaged.

    Classes that the rows do not hold are left out of the mean.
    """
    codes = [1] if answer.shape[1] == 2 else range(answer.shape[1])
    areas = [roc_area(y == code, answer[:, code]) for code in codes]
    defined = [area for area in areas if not np.isnan(area)]
    return float(np.mean(defined)) if defined else np.nan


def roc_area(positive: NDArray[np.bool_], score: NDArray[Any]) -> float:
    """Area under the ROC curve: how often a positive row scores above one that is not.

    Ties count half (Hanley, McNeil 1982). NaN where all rows are positive, or none.
    """
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2  # the mean rank of rows that tie
    positives = int(positive.sum())
    pairs = positives * (len(positive) - positives)
    above = rank[place][positive].sum() - positives * (positives + 1) / 2
    return float(above / pairs) if pairs else np.nan


def threshold_counts(
    positive: NDArray[np.bool_], score: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positive and other rows at or above each different score, from the highest to the lowest."""
    order = np.argsort(-score, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(score) - 1]  # of rows that tie
    above = np.cumsum(positive[order], dtype=np.int64)[last]
    return above, last + 1 - above


def _average_precision(y: NDArray[Any], answer: NDArray[Any]) -> float:
    """Mean precision, weighed by what each threshold adds to recall."""
    if len(np.unique(y)) != 2:
        return np.nan
    right, wrong = threshold_counts(y == 1, answer[:, 1])
    precision, recall = right / (right + wrong), right / right[-1]
    return float(np.sum(np.diff(recall, prepend=0) * precision))


def _r2(y: NDArray[Any], answer: NDArray[Any]) -> float:
    """Share of the variance that is explained; NaN where all values are equal."""
    if np.ptp(y) == 0:
        return np.nan
    return float(1 - np.square(y - answer[:, 0]).sum() / np.square(y - y.mean()).sum())


_METRICS: dict[str, Callable[[NDArray[Any], NDArray[Any]], float]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "balanced_accuracy": _balanced_accuracy,
    "accuracy": lambda y, answer: (answer.argmax(axis=1) == y).mean(),
    "log_loss": _log_loss,
    "brier": lambda y, answer: np.square(answer[:, 1] - y).mean(),
    "r2": _r2,
    "mae": lambda y, answer: np.abs(answer[:, 0] - y).mean(),
    "rmse": lambda y, answer: np.sqrt(np.square(answer[:, 0] - y).mean()),
}
TASK_METRICS = {
    "binary": (
        "roc_auc",
        "average_precision",
        "balanced_accuracy",
        "accuracy",
        "log_loss",
        "brier",
    ),
    "multiclass": ("roc_auc", "balanced_accuracy", "accuracy", "log_loss"),
    "regression": ("r2", "mae", "rmse"),
}


def interval(y: NDArray[Any], answer: NDArray[Any], metric: str) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a metric over the rows (Efron 1979), seeded."""
    return bootstrap(len(y), lambda rows: measure(metric, y[rows], answer[rows]))


def bootstrap(n: int, figure: Callable[[NDArray[np.int64]], float]) -> tuple[float, float]:
    """95 % percentile interval of a figure over n rows, by `resample`."""
    low, high = np.nanpercentile(resample(n, figure, RESAMPLES), [2.5, 97.5])
    return float(low), float(high)


def resample(
    n: int, figure: Callable[[NDArray[np.int64]], float], times: int, size: int | None = None
) -> list[float]:
    """A figure of `size` (default n) of n rows drawn with replacement, so many times, seeded."""
    rng = np.random.default_rng(0)
    return [figure(rng.integers(0, n, size or n)) for _ in range(times)]

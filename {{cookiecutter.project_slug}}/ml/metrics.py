"""What "good" means for each task: metrics, the one the gate compares, its bootstrap interval.

An answer is a matrix: (n, classes) probabilities for a classification, (n, 1) values for a
regression: what the scikit-learn pipeline, the ONNX bundle and the journal all give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import metrics

from ml.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Contract

RESAMPLES = 300
GATE = {"binary": "roc_auc", "multiclass": "balanced_accuracy", "regression": "r2"}


def answers(model: Any, x: NDArray[Any], contract: Contract) -> NDArray[np.float64]:
    """A fitted estimator's answer matrix for the encoded rows x."""
    if contract.is_classification:
        return np.asarray(model.predict_proba(x), dtype=np.float64)
    return np.asarray(model.predict(x), dtype=np.float64).reshape(-1, 1)


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
    # float32 answers miss 1 by more than scikit-learn allows
    summed = answer / answer.sum(axis=1, keepdims=True)
    return float(metrics.log_loss(y, summed, labels=list(range(answer.shape[1]))))


def _roc_auc(y: NDArray[Any], answer: NDArray[Any]) -> float:
    """Of two classes: of the last one; of more: one against the rest, averaged.

    Classes that the rows do not hold are left out of the mean.
    """
    codes = [1] if answer.shape[1] == 2 else range(answer.shape[1])
    present = [code for code in codes if 0 < (y == code).sum() < len(y)]
    return (
        float(np.mean([metrics.roc_auc_score(y == code, answer[:, code]) for code in present]))
        if present
        else np.nan
    )


def _average_precision(y: NDArray[Any], answer: NDArray[Any]) -> float:
    return (
        float(metrics.average_precision_score(y, answer[:, 1]))
        if len(np.unique(y)) == 2
        else np.nan
    )


_METRICS: dict[str, Callable[[NDArray[Any], NDArray[Any]], float]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "balanced_accuracy": _balanced_accuracy,
    "accuracy": lambda y, answer: (answer.argmax(axis=1) == y).mean(),
    "log_loss": _log_loss,
    "brier": lambda y, answer: metrics.brier_score_loss(y, answer[:, 1], pos_label=1),
    "r2": lambda y, answer: metrics.r2_score(y, answer[:, 0]) if np.ptp(y) > 0 else np.nan,
    "mae": lambda y, answer: metrics.mean_absolute_error(y, answer[:, 0]),
    "rmse": lambda y, answer: metrics.root_mean_squared_error(y, answer[:, 0]),
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

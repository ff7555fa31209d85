"""Metrics against scikit-learn's own, the bootstrap interval, and what rows cannot define."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics

from ml.contract import Contract
from ml.errors import UserError
from ml.metrics import TASK_METRICS, bootstrap, gate_metric, interval, measure, resample, score

Y = np.random.default_rng(1).integers(0, 2, 800)
POSITIVE = np.clip(0.3 * Y + np.random.default_rng(2).random(800) * 0.7, 0, 1)
ANSWER = np.column_stack([1 - POSITIVE, POSITIVE])


def answers_of(task: str, n: int, seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """True codes or values, and answers that know something of them."""
    rng = np.random.default_rng(seed)
    if task == "regression":
        values = rng.normal(0, 3, n)
        return values, (values + rng.normal(0, 1, n))[:, None]
    classes = 2 if task == "binary" else 4
    y = rng.integers(0, classes, n)
    y[:classes] = np.arange(classes)
    share = rng.random((n, classes)) + np.eye(classes)[y] * 0.4
    return y, np.round(share, 1) + 0.1 if ties else share


ORACLES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "roc_auc": lambda y, a: (
        metrics.roc_auc_score(y, a[:, 1])
        if a.shape[1] == 2
        else np.mean([metrics.roc_auc_score(y == c, a[:, c]) for c in range(a.shape[1])])
    ),
    "average_precision": lambda y, a: metrics.average_precision_score(y, a[:, 1]),
    "balanced_accuracy": lambda y, a: metrics.balanced_accuracy_score(y, a.argmax(axis=1)),
    "accuracy": lambda y, a: metrics.accuracy_score(y, a.argmax(axis=1)),
    "log_loss": metrics.log_loss,
    "brier": lambda y, a: metrics.brier_score_loss(y, a[:, 1]),
    "r2": lambda y, a: metrics.r2_score(y, a[:, 0]),
    "mae": lambda y, a: metrics.mean_absolute_error(y, a[:, 0]),
    "rmse": lambda y, a: metrics.root_mean_squared_error(y, a[:, 0]),
}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [12, 900])
@pytest.mark.parametrize("task", list(TASK_METRICS))
def test_figures_are_scikit_learns(task: str, n: int, ties: bool) -> None:
    y, answer = answers_of(task, n, 3, ties)
    if task != "regression":
        answer = answer / answer.sum(axis=1, keepdims=True)
    for name in TASK_METRICS[task]:
        assert measure(name, y, answer) == pytest.approx(ORACLES[name](y, answer), rel=1e-12), name


def test_a_certain_answer_that_is_wrong_costs_what_scikit_learn_says() -> None:
    y, answer = np.array([0, 1]), np.array([[0.0, 1.0], [0.3, 0.7]])
    assert measure("log_loss", y, answer) == pytest.approx(metrics.log_loss(y, answer))


def test_the_interval_holds_the_figure(contract: Contract) -> None:
    low, high = interval(Y, ANSWER, "roc_auc")
    assert low < score(Y, ANSWER, contract)["roc_auc"] < high
    assert high - low < 0.1


def test_resampling_is_seeded_and_of_the_size_asked_for() -> None:
    drawn = resample(50, lambda rows: float(len(rows)), 3, size=20)
    assert drawn == [20.0] * 3
    first = bootstrap(50, lambda rows: float(rows.mean()))
    assert first == bootstrap(50, lambda rows: float(rows.mean()))
    assert first[0] < 24.5 < first[1]


def test_what_rows_cannot_define_is_left_out(contract: Contract) -> None:
    found = score(np.zeros(5, dtype=int), np.full((5, 2), 0.5), contract)
    assert "roc_auc" not in found
    assert found["brier"] == pytest.approx(0.25)


def test_a_metric_of_another_task_is_refused(contract: Contract) -> None:
    assert gate_metric("auto", contract) == "roc_auc"
    with pytest.raises(UserError, match="r2 is not defined for a binary target") as error:
        gate_metric("r2", contract)
    assert "roc_auc" in error.value.then

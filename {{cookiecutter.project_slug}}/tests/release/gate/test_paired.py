"""The paired bootstrap: weighted metrics are those of repeated rows, its error is the right one.

A metric of the gate that has no weighted form would fail here, not in a release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

from ml.metrics import TASK_METRICS, measure
from ml.params import Metric
from ml.release.gate import paired
from ml.release.gate.paired import NEGATIVE_MSE, paired_gain, weighted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CASES = [(m, t) for t, names in TASK_METRICS.items() for m in names if m in get_args(Metric)]


def data(task: str, n: int, seed: int) -> tuple[NDArray[Any], Floats]:
    """Outcomes and answers with many ties, as trees give them."""
    rng = np.random.default_rng(seed)
    if task == "regression":
        value = rng.normal(size=n)
        return value, (value + rng.normal(size=n)).round(1)[:, None]
    classes = 2 if task == "binary" else 4
    y = rng.integers(0, classes, n)
    score = (rng.random((n, classes)) + np.eye(classes)[y]).round(1)
    return y, score / score.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("metric", "task"), CASES)
def test_a_row_that_counts_twice_is_a_row_that_stands_twice(metric: str, task: str) -> None:
    y, answer = data(task, 60, 1)
    counts = np.random.default_rng(2).integers(0, 4, (20, 60)).astype(float)
    figures = weighted(metric, y, answer)(counts)
    for figure, count in zip(figures, counts.astype(int), strict=True):
        rows = np.repeat(np.arange(60), count)
        assert figure == pytest.approx(measure(metric, y[rows], answer[rows]), abs=1e-12)


@pytest.mark.parametrize(("metric", "task"), CASES)
def test_the_difference_is_that_of_the_metrics(metric: str, task: str) -> None:
    y, answer = data(task, 300, 1)
    other = data(task, 300, 3)[1]
    gain = paired_gain(metric, y, answer, other)
    assert gain.challenger == measure(metric, y, answer)
    assert gain.value == pytest.approx(measure(metric, y, answer) - measure(metric, y, other))
    assert gain.at_least < gain.value < gain.at_most


@pytest.mark.parametrize(("metric", "task"), [*CASES, (NEGATIVE_MSE, "regression")])
def test_a_model_gains_nothing_over_itself(metric: str, task: str) -> None:
    y, answer = data(task, 200, 1)
    gain = paired_gain(metric, y, answer, answer)
    assert (gain.value, gain.error, gain.at_least, gain.at_most) == (0, 0, 0, 0)


def test_the_error_is_the_one_that_is_known_for_means() -> None:
    y, answer = data("binary", 500, 1)
    other = data("binary", 500, 2)[1]
    right = (answer.argmax(axis=1) == y).astype(float) - (other.argmax(axis=1) == y)
    known = right.std(ddof=1) / np.sqrt(500)
    assert paired_gain("accuracy", y, answer, other).error == pytest.approx(known, rel=0.1)


def test_the_error_of_an_area_is_its_spread_over_samples() -> None:
    gains = []
    for seed in range(300):
        y, score = data("binary", 200, seed)
        noise = np.random.default_rng(seed + 1000).normal(0, 0.1, 200)
        answer = np.column_stack([1 - score[:, 1] - noise, score[:, 1] + noise])
        gains.append(paired_gain("roc_auc", y, answer, score))
    spread = np.std([gain.value for gain in gains])
    assert np.mean([gain.error for gain in gains]) == pytest.approx(spread, rel=0.15)


def test_many_rows_are_drawn_once_and_the_error_is_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    y, answer = data("binary", 8000, 1)
    other = data("binary", 8000, 2)[1]
    of_all = paired_gain("accuracy", y, answer, other).error
    monkeypatch.setattr(paired, "MOST_ROWS", 2000)
    assert paired_gain("accuracy", y, answer, other).error == pytest.approx(of_all, rel=0.15)


def test_rows_that_depend_on_each_other_widen_the_limits() -> None:
    y, answer = data("regression", 300, 1)
    other = data("regression", 300, 2)[1]
    plain = paired_gain("r2", y, answer, other)
    inflated = paired_gain("r2", y, answer, other, (4.0, 15.0))
    assert inflated.error == pytest.approx(2 * plain.error)
    assert inflated.value - inflated.at_least > 2 * (plain.value - plain.at_least)


def test_a_metric_that_the_rows_cannot_define_has_no_limits() -> None:
    y, answer = np.zeros(100, dtype=int), data("binary", 100, 1)[1]
    gain = paired_gain("roc_auc", y, answer, answer)
    assert np.isnan(gain.value)
    assert np.isnan(gain.at_least)


@pytest.mark.parametrize("metric", ["roc_auc", "balanced_accuracy"])
def test_a_resample_of_one_class_counts_where_it_can(metric: str) -> None:
    y = np.array([0, 0, 1, 2])
    counts = np.array([[2.0, 2.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    figures = weighted(metric, y, np.eye(3)[[0, 1, 1, 2]])(counts)
    assert np.isnan(figures[0]) == (metric == "roc_auc")
    assert figures[1] > 0.7

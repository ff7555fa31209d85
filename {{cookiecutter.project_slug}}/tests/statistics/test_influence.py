"""Standard errors without resampling agree with the bootstrap's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.metrics import TASK_METRICS, measure, resample
from ml.statistics.influence import influence, interval, intervals, standard_error

CASES = [(metric, task) for task, metrics in TASK_METRICS.items() for metric in metrics]


def rows(task: str, n: int, seed: int) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Outcomes and answers of a model that is rather good; answers tie."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n).round(1)
    if task == "regression":
        return z + rng.normal(size=n), (0.8 * z + 0.1)[:, None]
    scores = np.stack([np.zeros(n), z, -z][: 2 if task == "binary" else 3], axis=1)
    share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    drawn = (rng.random((n, 1)) > np.cumsum(share, axis=1)).sum(axis=1)
    return drawn.clip(0, scores.shape[1] - 1), share


@pytest.mark.parametrize(("metric", "task"), CASES)
def test_the_standard_error_is_the_bootstraps(metric: str, task: str) -> None:
    y, answer = rows(task, 600, 1)
    error = np.std(resample(600, lambda i: measure(metric, y[i], answer[i]), 400), ddof=1)
    # of 400 resamples the bootstrap's own error is 3.5 %
    assert standard_error(influence(metric, y, answer)) == pytest.approx(error, rel=0.12)
    assert influence(metric, y, answer).mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "accuracy"])
def test_intervals_hold_the_truth_as_often_as_they_say(metric: str) -> None:
    truth = measure(metric, *rows("binary", 200_000, 0))
    held = 0
    for seed in range(300):
        low, high = interval(metric, *rows("binary", 300, seed)) or (np.nan, np.nan)
        held += low <= truth <= high
    assert 0.90 <= held / 300 <= 0.985


def test_what_has_no_value_has_no_interval_and_bounds_are_kept() -> None:
    one_class = np.zeros(30, dtype=int), np.tile([0.6, 0.4], (30, 1))
    assert interval("roc_auc", *one_class) is None
    assert "roc_auc" not in intervals(*one_class, "binary")
    nearly = np.r_[np.zeros(30, int), np.ones(30, int)], np.linspace(1, 0, 60)
    low, high = interval("roc_auc", nearly[0], np.c_[nearly[1], 1 - nearly[1]]) or (0, 0)
    assert 0 <= low <= high <= 1
    assert interval("r2", np.ones(5), np.ones((5, 1))) is None
    assert interval("accuracy", np.array([1]), np.array([[0.2, 0.8]])) is None

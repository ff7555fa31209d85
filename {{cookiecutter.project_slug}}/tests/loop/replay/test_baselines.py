"""The other policies learn from what they may know, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from ml.contract import Contract, Numeric, Target
from ml.loop.replay.baselines import Baselines, Rows, row_losses
from ml.params import Params

CONTRACT = Contract(
    target=Target(name="y", task="regression"), columns=(Numeric(name="x", kind="numeric"),)
)


def rows(level: float, n: int, seed: int) -> Rows:
    """Rows whose target is a level beside their x."""
    x = np.random.default_rng(seed).normal(size=(n, 1)).astype(np.float32)
    return Rows(x, x[:, 0].astype(float) + level)


def baselines(levels: list[float], params: Params, lag: int) -> Baselines:
    windows = [rows(level, 50, seed) for seed, level in enumerate(levels, 1)]
    linear = params.train.model_copy(update={"model": "linear"})
    return Baselines(rows(0.0, 50, 0), windows, CONTRACT, linear, lag)


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_labels_are_known_after_the_lag(params: Params, lag: int) -> None:
    """The level jumps by 10 in the third window: a refit on it comes after the lag."""
    losses = baselines([0, 0, 10, 10, 10, 10], params, lag).refitted(lag)
    means = np.array([loss.mean() for loss in losses]).round()
    known = 3 + lag  # the place of the first window that begins with labels of the third
    assert means[2:known] == pytest.approx(10, abs=1)
    assert means[known:] == pytest.approx(0, abs=1)


def test_constant_policies(params: Params) -> None:
    other = baselines([5, 7, 9], params, 1)
    naive = [
        np.abs(other.windows[i].y - level.mean()).mean()
        for i, level in enumerate([other.first.y, other.first.y, other.windows[0].y])
    ]
    assert [loss.mean() for loss in other.naive()] == pytest.approx(naive)
    last = [
        np.abs(other.windows[i].y - known).mean()
        for i, known in enumerate([other.first.y[-1], other.first.y[-1], other.windows[0].y[-1]])
    ]
    assert [loss.mean() for loss in other.lagged_value()] == pytest.approx(last)


def test_the_loss_of_a_classification_is_brier(contract: Contract) -> None:
    losses = row_losses(np.array([0, 1]), np.array([[1.0, 0.0], [0.6, 0.4]]), contract)
    assert losses.tolist() == pytest.approx([0, 0.36])

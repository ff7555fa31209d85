"""A loss against the reference: its limits, where it has none, and that it is fitted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ml.statistics.metric_loss import Reference, errors, metric_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.05


def rows(n: int, seed: int, noise: float = 1.0) -> tuple[Floats, Floats]:
    """Outcomes (n,) and the probabilities of a model that is the worse the more noise it has."""
    rng = np.random.default_rng(seed)
    score = rng.normal(0, 1.5, n)
    outcome = (rng.random(n) < 1 / (1 + np.exp(-score))).astype(np.float64)
    positive = 1 / (1 + np.exp(-(score + rng.normal(0, noise, n))))
    return outcome, np.column_stack([1 - positive, positive])


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference("roc_auc", "binary", *rows(4000, 0), in_order=False)


def test_a_healthy_window_lies_beyond_a_limit_as_often_as_is_said(reference: Reference) -> None:
    losses = [metric_loss(*rows(500, seed), reference, ALPHA) for seed in range(1, 201)]
    beyond = np.mean([loss is not None and loss.loss_low > 0 for loss in losses])
    assert beyond <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / 200)


def test_a_worse_model_loses(reference: Reference) -> None:
    loss = metric_loss(*rows(1000, 1, noise=6.0), reference, ALPHA)
    assert loss is not None
    assert loss.loss_low > 0.05
    assert loss.loss == pytest.approx(loss.reference - loss.value)
    assert loss.loss_low < loss.loss < loss.loss_high


@pytest.mark.parametrize("n", [0, 1, 99])
def test_few_rows_say_nothing(reference: Reference, n: int) -> None:
    outcome, answer = rows(100, 1)
    assert metric_loss(outcome[:n], answer[:n], reference, ALPHA) is None


def test_a_metric_without_a_value_says_nothing(reference: Reference) -> None:
    outcome, answer = rows(200, 1)
    assert metric_loss(np.zeros(200), answer, reference, ALPHA) is None
    nothing = Reference("roc_auc", "binary", np.zeros(200), answer, in_order=False)
    assert metric_loss(outcome, answer, nothing, ALPHA) is None


def test_dependent_errors_widen_the_interval() -> None:
    n, rng = 4096, np.random.default_rng(0)
    truth, drift = rng.normal(size=n), np.repeat(rng.normal(size=n // 64), 64)
    answer = (truth + 0.3 * drift + 0.3 * rng.normal(size=n))[:, None]
    alike = [Reference("r2", "regression", truth, answer, ordered) for ordered in (True, False)]
    widths = []
    for each in alike:
        loss = metric_loss(truth[:512], answer[:512], each, ALPHA)
        assert loss is not None
        widths.append(loss.loss_high - loss.loss_low)
    assert widths[0] > 2 * widths[1]


def test_errors_of_each_task() -> None:
    outcome, answer = np.array([0.0, 2.0]), np.array([[0.6, 0.3, 0.1], [0.1, 0.5, 0.4]])
    np.testing.assert_allclose(errors(outcome, answer, "multiclass"), [0.4, -0.5])
    np.testing.assert_allclose(errors(outcome, answer[:, :1], "regression"), [-0.6, 1.9])
    np.testing.assert_allclose(errors(np.array([0.0, 1.0]), answer[:, :2], "binary"), [-0.3, 0.5])


def test_what_is_fitted_on_the_reference_is_kept(reference: Reference) -> None:
    assert reference.error_profile is reference.error_profile

"""The gate: each question answered yes and no."""

from __future__ import annotations

import numpy as np
import pytest

from ml.params import Params
from ml.release.gate import Check, Decision, against_baseline, against_champion, paired_interval


def answers(quality: float, y: np.ndarray, seed: int) -> np.ndarray:
    """Probabilities that follow y the better the higher the quality."""
    noise = np.random.default_rng(seed).normal(size=len(y))
    positive = 1 / (1 + np.exp(-(quality * (2 * y - 1) + noise)))
    return np.column_stack([1 - positive, positive])


@pytest.fixture
def y() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, 800)


@pytest.mark.parametrize(("ours", "passed"), [(0.80, True), (0.505, False), (0.3, False)])
def test_baseline(params: Params, ours: float, passed: bool) -> None:
    check = against_baseline("roc_auc", {"roc_auc": ours}, {"roc_auc": 0.5}, params.release)
    assert check.passed is passed
    assert f"{ours:.4f}" in check.figures


def test_a_metric_that_the_rows_cannot_define_is_refused(params: Params) -> None:
    check = against_baseline("r2", {"mae": 0.0}, {"mae": 0.0}, params.release)
    assert not check.passed
    assert "r2 is undefined" in check.figures


@pytest.mark.parametrize(("quality", "passed"), [(1.5, True), (0.2, False)])
def test_champion(params: Params, y: np.ndarray, quality: float, passed: bool) -> None:
    challenger, champion = answers(quality, y, 1), answers(0.7, y, 2)
    check = against_champion(y, challenger, champion, "roc_auc", params.release)
    assert check.passed is passed
    low, high = paired_interval(y, challenger, champion, "roc_auc")
    assert (low > 0) is passed
    assert (high < 0) is not passed


def test_a_tolerated_loss_passes(params: Params, y: np.ndarray) -> None:
    challenger, champion = answers(0.68, y, 2), answers(0.7, y, 2)
    strict = against_champion(y, challenger, champion, "roc_auc", params.release)
    lenient = params.release.model_copy(update={"max_loss": 0.05})
    assert not strict.passed
    assert against_champion(y, challenger, champion, "roc_auc", lenient).passed


def test_a_model_is_not_worse_than_itself(params: Params, y: np.ndarray) -> None:
    same = answers(0.7, y, 1)
    assert against_champion(y, same, same, "roc_auc", params.release).passed
    assert paired_interval(y, same, same, "roc_auc") == (0.0, 0.0)


def test_one_no_is_enough_and_is_the_reason() -> None:
    decision = Decision((Check("a", True, "1 > 0"), Check("b", False, "0 < 1")))
    assert not decision.passed
    assert decision.reason == "b: 0 < 1"
    assert Decision((Check("a", True, "1 > 0"),)).passed

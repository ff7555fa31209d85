"""Calibration: overconfident probabilities and biased numbers are refused, sound ones are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special

from benchmarks.simulated_models import Case
from ml.params import Params
from ml.release.gate.calibration import calibrated, expected_calibration_error
from ml.release.gate.comparison import Comparison, squared_errors

Compare = Callable[..., Comparison]
CLASSES = Case("classes", "binary", "roc_auc", rows=2000)
NUMBERS = Case("numbers", "regression", "r2", rows=2000)


@pytest.mark.parametrize("case", [CLASSES, NUMBERS])
def test_an_equal_model_is_as_well_calibrated(
    compared: Compare, params: Params, case: Case
) -> None:
    check = calibrated(compared(case), params.release)
    assert check is not None
    assert check.passed
    off = params.release.model_copy(update={"max_calibration_loss": None})
    assert calibrated(compared(case), off) is None


def test_overconfident_probabilities_are_refused(compared: Compare, params: Params) -> None:
    of = compared(CLASSES)
    positive = special.expit(5 * special.logit(of.champion[:, 1]))  # the same order, so the same
    sure = compared(CLASSES, challenger=np.column_stack([1 - positive, positive]))  # ROC area
    check = calibrated(sure, params.release)
    assert check is not None
    assert not check.passed
    assert check.figures.startswith("Brier score")
    assert check.values["calibration_error"] > check.values["champion_calibration_error"] + 0.05


@pytest.mark.parametrize("shift", [-0.5, 0.5])
def test_biased_numbers_are_refused(compared: Compare, params: Params, shift: float) -> None:
    of = compared(NUMBERS)
    check = calibrated(compared(NUMBERS, challenger=of.challenger + shift), params.release)
    assert check is not None
    assert not check.passed
    healed = compared(NUMBERS, champion=of.champion + shift)
    check = calibrated(healed, params.release)
    assert check is not None
    assert check.passed


def test_squared_errors_are_the_brier_score(compared: Compare) -> None:
    of = compared(CLASSES)
    expected = np.square(of.champion[:, 1] - of.y)
    np.testing.assert_allclose(squared_errors(of.y, of.champion, of.contract), expected)


def test_the_calibration_error_is_nothing_for_the_truth() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(50_000)
    y = (rng.random(50_000) < positive).astype(int)
    answer = np.column_stack([1 - positive, positive])
    assert expected_calibration_error(y, answer) < 0.01
    assert expected_calibration_error(1 - y, answer) > 0.3
    three = np.column_stack([answer / 2, np.full(50_000, 0.5)])
    assert expected_calibration_error(y, three) < 0.6

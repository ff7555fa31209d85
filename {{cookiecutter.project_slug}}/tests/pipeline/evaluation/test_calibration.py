"""Calibration in groups of equal size."""

from __future__ import annotations

import numpy as np
import pytest

from ml.pipeline.evaluation.calibration import BINS, calibration
from ml.release.gate.calibration import expected_calibration_error


def test_of_two_classes_it_is_the_gates_error() -> None:
    rng = np.random.default_rng(0)
    share = rng.random(500)
    y = (rng.random(500) < share**2).astype(int)
    answer = np.c_[1 - share, share]
    found = calibration(y, answer)
    assert found["error"] == pytest.approx(expected_calibration_error(y, answer))
    assert len(found["groups"]) == BINS
    assert sum(group["rows"] for group in found["groups"]) == 500
    assert all(0 <= g["low"] <= g["observed"] <= g["high"] <= 1 for g in found["groups"])


def test_of_more_classes_the_answered_one_counts_and_of_numbers_the_value() -> None:
    rng = np.random.default_rng(1)
    answer = rng.dirichlet([1, 1, 1], 300)
    y = answer.argmax(axis=1)
    found = calibration(y, answer)
    assert {group["observed"] for group in found["groups"]} == {1.0}
    value = rng.normal(size=300)
    shifted = calibration(value + 2, value[:, None])
    assert shifted["error"] == pytest.approx(2)


def test_few_rows_make_few_groups() -> None:
    found = calibration(np.array([0.0, 1.0]), np.array([[0.5], [0.5]]))
    assert [group["rows"] for group in found["groups"]] == [1, 1]

"""Metrics against scikit-learn's own, the bootstrap interval, and what rows cannot define."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from ml.contract import Contract
from ml.errors import UserError
from ml.metrics import bootstrap, gate_metric, interval, resample, score

Y = np.random.default_rng(1).integers(0, 2, 800)
POSITIVE = np.clip(0.3 * Y + np.random.default_rng(2).random(800) * 0.7, 0, 1)
ANSWER = np.column_stack([1 - POSITIVE, POSITIVE])


def test_figures_are_scikit_learns(contract: Contract) -> None:
    found = score(Y, ANSWER, contract)
    assert found["roc_auc"] == pytest.approx(roc_auc_score(Y, POSITIVE))
    assert found["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(Y, ANSWER.argmax(axis=1))
    )


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

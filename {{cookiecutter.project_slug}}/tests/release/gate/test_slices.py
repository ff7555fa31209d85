"""No slice is worse: a loss in one is found, and equal models are refused no more than is said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.simulated_models import Case
from ml.params import Params
from ml.release.gate.comparison import Comparison
from ml.release.gate.slices import no_slice_worse

Compare = Callable[..., Comparison]
LOST = Case("lost", "binary", "accuracy", rows=6000, gain=0.01, slice_gain=-0.1)
ONE_LOSES = [LOST, Case("numbers", "regression", "r2", rows=4000, gain=0.01, slice_gain=-0.1)]


@pytest.mark.parametrize("case", ONE_LOSES)
def test_a_slice_that_loses_is_named(compared: Compare, params: Params, case: Case) -> None:
    check = no_slice_worse(compared(case), params.release, params.evaluate)
    assert check is not None
    assert not check.passed
    assert check.figures.startswith("level = a: -0.")
    assert check.values["worse"][0]["level"] == "a"


def test_a_loss_within_the_margin_passes(compared: Compare, params: Params) -> None:
    wide = params.release.model_copy(update={"max_slice_loss": 0.2})
    check = no_slice_worse(compared(LOST), wide, params.evaluate)
    assert check is not None
    assert check.passed
    off = params.release.model_copy(update={"max_slice_loss": None})
    assert no_slice_worse(compared(LOST), off, params.evaluate) is None


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc"])
def test_models_that_lose_nowhere_are_rarely_refused(
    compared: Compare, params: Params, metric: str
) -> None:
    case = Case("equal", "binary", metric, rows=1000)
    refused = 0
    for seed in range(100):
        check = no_slice_worse(compared(case, seed), params.release, params.evaluate)
        refused += check is not None and not check.passed
    assert refused <= 5 + 3 * np.sqrt(100 * 0.05 * 0.95)


def test_without_slices_there_is_nothing_to_lose(compared: Compare, params: Params) -> None:
    none = params.evaluate.model_copy(update={"slices": 0})
    check = no_slice_worse(compared(LOST), params.release, none)
    assert check is not None
    assert check.passed
    assert "no slice has enough rows" in check.figures


def test_a_slice_of_one_class_has_no_area(compared: Compare, params: Params) -> None:
    of = compared(Case("equal", "binary", "roc_auc", rows=1000))
    y = np.where(of.frame["level"] == "b", 0, of.y)
    check = no_slice_worse(
        compared(Case("equal", "binary", "roc_auc", rows=1000), y=y),
        params.release.model_copy(update={"min_rows": 30}),
        params.evaluate,
    )
    assert check is not None
    assert check.values["slices"] == 9


def test_few_rows_decide_nothing_in_a_slice_either(compared: Compare, params: Params) -> None:
    strict = params.release.model_copy(update={"min_rows": 10_000})
    check = no_slice_worse(compared(LOST), strict, params.evaluate)
    assert check is not None
    assert check.passed
    assert check.values["slices"] == 0

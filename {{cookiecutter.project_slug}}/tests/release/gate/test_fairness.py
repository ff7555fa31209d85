"""The rule on fairness: firing, staying quiet, off."""

from __future__ import annotations

import pandas as pd
import pytest

from ml.params import Params
from ml.pipeline.evaluate import reference
from ml.release.gate.fairness import fair
from tests.fairness.loans import CONTRACT, loans, settings


def held_out(worse: float, n: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Rows with their outcomes and answers, as a release keeps them."""
    frame, y, answer = loans(n, seed, worse=worse)
    outcome = pd.Series(y).map({0: "no", 1: "yes"}).astype(object)
    return reference(frame.assign(loan=outcome), answer, CONTRACT)


def test_without_a_tolerance_it_is_off(params: Params) -> None:
    assert fair(held_out(0.3), CONTRACT, settings(params)) is None


def test_it_fires_where_a_difference_beyond_the_tolerance_is_shown(params: Params) -> None:
    check = fair(held_out(0.2), CONTRACT, settings(params, selection_rate=0.1))
    assert check is not None
    assert not check.passed
    assert "selection_rate of group = a is +0." in check.figures
    assert "0.1 is tolerated" in check.figures
    assert {each["figure"] for each in check.values["beyond"]} == {"selection_rate"}
    assert "docs/fairness.md" in check.then


def test_it_stays_quiet_where_groups_are_alike_or_apart_by_less(params: Params) -> None:
    asked = {"selection_rate": 0.0, "error": 0.0, "calibration": 0.0}
    check = fair(held_out(0.0, seed=2), CONTRACT, settings(params, **asked))
    assert check is not None
    assert check.passed
    assert check.values["pairs"] == 9
    within = fair(held_out(0.1), CONTRACT, settings(params, selection_rate=0.3))
    assert within is not None
    assert within.passed
    assert "the widest is selection_rate of group" in within.figures


def test_few_rows_decide_nothing_and_it_says_so(params: Params) -> None:
    check = fair(held_out(0.3, 25), CONTRACT, settings(params, error=0.0))
    assert check is not None
    assert check.passed
    assert "no two groups have enough rows" in check.figures


@pytest.mark.parametrize("tolerance", [0.0, 0.05])
def test_a_model_that_keeps_the_tolerance_is_seldom_refused(
    params: Params, tolerance: float
) -> None:
    asked = settings(params, selection_rate=tolerance, error=tolerance)
    refused = 0
    for seed in range(60):
        check = fair(held_out(0.0, 800, seed), CONTRACT, asked)
        refused += check is not None and not check.passed
    assert refused <= 8  # 5 % of 60 are 3, and three standard errors

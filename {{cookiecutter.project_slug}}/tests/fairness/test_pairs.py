"""Differences between groups: intervals that hold, Holm's correction, errors that are bounded."""

from __future__ import annotations

import numpy as np
import pytest

from ml.fairness.pairs import Difference, differences, holm_adjusted
from ml.fairness.report import figures_of
from ml.params import Params
from ml.statistics.multiple_testing import holm
from tests.fairness.loans import CONTRACT, loans, settings


def found(params: Params, seed: int, worse: float = 0.0) -> list[Difference]:
    frame, y, answer = loans(1500, seed, worse=worse)
    _, figures = figures_of(frame, y, answer, CONTRACT, settings(params))
    return differences(figures)


def test_the_adjusted_p_values_reject_what_holm_rejects() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.random(15) ** 3
        adjusted = np.array(holm_adjusted(list(p)))
        np.testing.assert_array_equal(adjusted <= 0.05, holm(p, np.ones(15), 0.05))


def test_groups_that_are_alike_are_seldom_told_apart(params: Params) -> None:
    named = [
        min(holm_adjusted([each.p_beyond(0) for each in found(params, seed)])) <= 0.05
        for seed in range(200)
    ]
    assert sum(named) <= 18  # 5 % of 200 are 10, and three standard errors


def test_a_group_that_is_treated_otherwise_is_found(params: Params) -> None:
    pairs = found(params, 0, worse=0.15)
    p_values = holm_adjusted([each.p_beyond(0) for each in pairs])
    named = {
        (d.first, d.second, d.figure) for d, p in zip(pairs, p_values, strict=True) if p <= 0.05
    }
    assert {("a", "b", "selection_rate"), ("b", "c", "calibration")} <= named
    assert all("b" in (first, second) for first, second, _ in named)


def test_an_interval_holds_the_difference_as_often_as_it_says(params: Params) -> None:
    ends = [d.ends for seed in range(200) for d in found(params, seed)]  # the true one is 0
    held = np.mean([low <= 0 <= high for low, high in ends])
    assert held == pytest.approx(0.95, abs=0.02)


def test_a_difference_within_the_tolerance_is_none() -> None:
    gap = Difference("group", "a", "b", "error", 0.12, 0.01)
    assert gap.p_beyond(0) < 1e-6
    assert gap.p_beyond(0.2) > 0.99
    assert gap.p_beyond(0.1) == pytest.approx(0.02275, abs=1e-4)
    assert Difference("group", "a", "b", "error", 0.0, 0.0).p_beyond(0.1) in (0.0, 1.0)

"""The slice search: nothing named where nothing is worse, a planted slice found."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.slice_search import CASES, LEVEL, MIN_ROWS, PAIR, Case, shares, simulated
from ml.fairness.slice_search import Levels, worse_slices, wrong_numbers


def test_where_no_slice_is_worse_few_runs_name_one() -> None:
    assert CASES[0].lost == 0
    named, _ = shares(CASES[0], 150)
    assert named <= 0.10  # 5 %, and three standard errors of 150 runs


@pytest.mark.parametrize("case", CASES[1:3], ids=["level", "pair"])
def test_a_planted_slice_is_found(case: Case) -> None:
    assert (case.lost, case.rows) == (0.15, 4000)
    _, found = shares(case, 60)
    assert found >= 0.83  # 90 %, and two standard errors of 60 runs


def test_what_is_found_is_described() -> None:
    rows = simulated(Case("clear", PAIR, 0.4), 0)
    first = worse_slices(*rows, MIN_ROWS)[0]
    assert first.where == PAIR
    inside = (rows.columns[1].codes == 2) & (rows.columns[2].codes == 0)
    assert first.rows == inside.sum()
    assert first.wrong == pytest.approx(rows.wrong[inside].mean())
    assert first.expected == pytest.approx(1 - rows.confidence[inside].mean(), abs=0.05)
    assert first.p_value < 1e-6


def test_a_slice_is_named_once_and_not_its_parts() -> None:
    found = worse_slices(*simulated(Case("clear", LEVEL, 0.4), 1), MIN_ROWS)
    assert [each.where for each in found] == [LEVEL]


def test_a_level_that_the_model_knows_to_be_hard_is_not_named() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 4000)
    confidence = np.where(codes == 0, 0.6, 0.95)
    wrong = rng.random(4000) > confidence
    assert worse_slices([Levels("c", ("hard", "b", "c"), codes)], wrong, confidence, 30) == []


def test_few_rows_no_levels_and_no_wrong_answer_name_nothing() -> None:
    none = np.zeros(50, dtype=bool)
    codes = np.zeros(50, dtype=np.int64)
    assert worse_slices([], none, np.ones(50), 30) == []
    assert worse_slices([Levels("c", ("a",), codes)], none, np.ones(50), 30) == []
    assert worse_slices([Levels("c", ("a",), codes - 1)], ~none, np.ones(50), 30) == []


def test_of_numbers_the_largest_errors_of_like_predictions_are_wrong() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.uniform(1, 100, 4000)
    error = rng.normal(size=4000) * predicted  # larger where the prediction is
    codes = rng.integers(0, 20, 4000)
    wrong = wrong_numbers(error, predicted)
    assert wrong.mean() == pytest.approx(0.2, abs=0.01)
    columns = [Levels("c", tuple(map(str, range(20))), codes)]
    assert worse_slices(columns, wrong, predicted, 30) == []
    planted = wrong_numbers(np.where(codes == 7, 3 * error, error), predicted)
    found = worse_slices(columns, planted, predicted, 30)
    assert [each.where for each in found] == [(("c", "7"),)]


def test_few_different_predictions_are_no_empty_stratum() -> None:
    predicted = np.repeat([1.0, 2.0, 9.0], [40, 3, 17])
    error = np.random.default_rng(0).normal(size=len(predicted))
    assert 0 < wrong_numbers(error, predicted).mean() < 0.5

"""The gate's error rates, at the bars of docs/release.md, with fewer trials than the command has.

Seeded; a bar is exceeded when the count lies beyond what the stated rate allows in 99.9 % of runs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from scipy import stats

from benchmarks import gate_errors
from benchmarks.gate_errors import SLICE, Rate, judged, measure_all, summary, table
from benchmarks.simulated_models import Case, accuracy_at, error_for, r2_at
from ml.params import Params

SURE = 0.999
TRIALS = 100
EQUAL = [
    Case("equal", "binary", "accuracy"),
    Case("equal", "regression", "r2"),
    Case("equal", "binary", "roc_auc", rows=500),
    Case("equal", "binary", "accuracy", rows=1000, tried=3),
]
BETTER = [
    Case("+2 points", "binary", "accuracy", gain=0.02),
    Case("+2 points", "regression", "r2", gain=0.02),
]


def promoted(case: Case, params: Params, trials: int = TRIALS) -> int:
    return sum(not failed for failed in judged(Rate(case), params, range(trials)))


@pytest.mark.slow
@pytest.mark.parametrize("case", EQUAL, ids=str)
def test_an_equal_model_is_rarely_promoted(case: Case, params: Params) -> None:
    assert promoted(case, params) <= stats.binom.ppf(SURE, TRIALS, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("case", BETTER, ids=str)
def test_two_points_more_are_promoted(case: Case, params: Params) -> None:
    assert promoted(case, params) >= stats.binom.ppf(1 - SURE, TRIALS, 0.85)


@pytest.mark.slow
def test_a_loss_in_one_slice_is_not_promoted(params: Params) -> None:
    assert promoted(SLICE, params) <= stats.binom.ppf(SURE, TRIALS, 0.01)


@pytest.mark.slow
def test_a_loss_in_one_slice_of_many_rows_is_mostly_seen_beside_a_gain(params: Params) -> None:
    case = gate_errors.net_gain(10_000)
    assert promoted(case, params, 40) <= stats.binom.ppf(SURE, 40, 0.09)


def test_the_simulated_models_are_as_good_as_is_said() -> None:
    assert accuracy_at(error_for("binary", 0.02)) == pytest.approx(accuracy_at(1.0) + 0.02)
    assert r2_at(error_for("regression", -0.05)) == pytest.approx(r2_at(1.0) - 0.05)


def test_the_summary_has_a_standard_error() -> None:
    told = summary(Rate(EQUAL[0], most=0.07), [(), ("a",), ("a", "b"), ("a",)])
    assert told["promoted"] == 0.25
    assert told["standard_error"] == pytest.approx(0.2165, abs=1e-4)
    assert told["fails"] == {"a": 0.75, "b": 0.25}


def test_the_command_measures_every_case(
    params: Params, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = Case("equal", "binary", "accuracy", rows=200)
    cases = (Rate(few, trials=2), Rate(few, setting="min_gain: null", trials=2))
    monkeypatch.setattr(gate_errors, "CASES", cases)
    monkeypatch.setattr(gate_errors, "AT_ONCE", 2)
    rates = measure_all(params, Console(quiet=True), 1)
    assert [rate["trials"] for rate in rates] == [2, 2]
    assert json.dumps(rates)
    assert table(rates).row_count == 2

"""The rules that compare: each holds and each fails; each can be switched off."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.simulated_models import Case
from ml.params import Params
from ml.release.gate.comparison import Comparison
from ml.release.gate.rules import better, enough_rows, flips, not_worse, quiet

Compare = Callable[..., Comparison]
EQUAL = Case("equal", "binary", "roc_auc", rows=1000)
BETTER = Case("better", "binary", "roc_auc", rows=1000, gain=0.03)
SLIGHTLY = Case("slightly better", "binary", "roc_auc", rows=1000, gain=0.002)
WORSE = Case("worse", "binary", "roc_auc", rows=1000, gain=-0.08)
NUMBERS = Case("numbers", "regression", "r2", rows=1000)


@pytest.mark.parametrize(("needed", "passed"), [(1000, True), (1001, False), (0, True)])
def test_enough_rows(compared: Compare, params: Params, needed: int, passed: bool) -> None:
    release = params.release.model_copy(update={"min_rows": needed})
    check = enough_rows(compared(EQUAL, left_out=(3, 4)), release)
    assert check.passed is passed
    assert check.figures.startswith("1,000 rows that neither was trained on")
    assert "4 of the champion's, 3 of its own" in check.figures
    assert passed or "make retrain" in check.then


def test_without_rows_nothing_is_decided(compared: Compare, params: Params) -> None:
    of = compared(EQUAL)
    release = params.release.model_copy(update={"min_rows": 0})
    none = compared(
        EQUAL,
        y=of.y[:0],
        challenger=of.challenger[:0],
        champion=of.champion[:0],
        frame=of.frame[:0],
    )
    assert not enough_rows(none, release).passed


def test_a_metric_that_the_rows_cannot_define_is_refused(compared: Compare, params: Params) -> None:
    check = enough_rows(compared(EQUAL, y=np.zeros(1000, dtype=int)), params.release)
    assert not check.passed
    assert "roc_auc is undefined on 1,000 rows" in check.figures


@pytest.mark.parametrize(("case", "passed"), [(EQUAL, True), (BETTER, True), (WORSE, False)])
def test_not_worse(compared: Compare, params: Params, case: Case, passed: bool) -> None:
    check = not_worse(compared(case), params.monitor)
    assert check.passed is passed
    assert "on the same 1,000 rows" in check.figures
    any_loss = params.monitor.model_copy(update={"max_loss": 1.0})
    assert not_worse(compared(case), any_loss).passed


def test_few_rows_do_not_show_that_a_model_is_not_worse(compared: Compare, params: Params) -> None:
    few = Case("few", "binary", "roc_auc", rows=60)
    shown = [not_worse(compared(few, seed), params.monitor).passed for seed in range(20)]
    assert np.mean(shown) < 0.5


@pytest.mark.parametrize(("case", "passed"), [(EQUAL, False), (BETTER, True), (WORSE, False)])
def test_better(compared: Compare, params: Params, case: Case, passed: bool) -> None:
    check = better(compared(case), params.release)
    assert check is not None
    assert check.passed is passed
    assert "min_gain: null" in check.then
    assert better(compared(case), params.release.model_copy(update={"min_gain": None})) is None


def test_a_gain_that_is_asked_for_counts(compared: Compare, params: Params) -> None:
    much = params.release.model_copy(update={"min_gain": 0.2})
    check = better(compared(BETTER), much)
    assert check is not None
    assert not check.passed


@pytest.mark.parametrize(("case", "passed"), [(SLIGHTLY, True), (WORSE, False)])
def test_after_a_proven_loss_an_uncertain_gain_is_enough(
    compared: Compare, params: Params, case: Case, passed: bool
) -> None:
    of = compared(case)
    check = better(of, params.release, decayed=True)
    assert check is not None
    assert check.passed is passed
    asked = params.release.model_copy(update={"min_gain_after_decay": 0.02})
    check = better(of, asked, decayed=True)
    assert check is not None
    assert not check.passed
    before = better(of, params.release)
    assert before is not None
    assert not before.passed
    off = params.release.model_copy(update={"min_gain": None})
    assert better(of, off, decayed=True) is None


def test_a_model_is_not_worse_than_itself_and_not_better(compared: Compare, params: Params) -> None:
    of = compared(EQUAL)
    same = compared(EQUAL, challenger=of.champion)
    strict = params.monitor.model_copy(update={"max_loss": 0.0})
    assert not_worse(same, strict).passed
    check = better(same, params.release)
    assert check is not None
    assert not check.passed


def test_the_best_of_several_has_to_show_more(compared: Compare, params: Params) -> None:
    one, of_many = compared(BETTER), compared(BETTER, tried=8)
    assert of_many.gain.value == one.gain.value
    assert of_many.gain.at_least < one.gain.at_least
    assert "best of 8" in not_worse(of_many, params.monitor).figures


def test_a_model_that_would_alarm_is_refused_unless_the_champion_would_too(
    compared: Compare, params: Params
) -> None:
    worse = compared(WORSE)
    check = quiet(worse, params.release, params.monitor)
    assert check is not None
    assert not check.passed
    assert "0.02 is tolerated" in check.figures
    off = params.release.model_copy(update={"may_alarm": True})
    assert quiet(worse, off, params.monitor) is None
    both = compared(WORSE, champion=worse.challenger)
    check = quiet(both, params.release, params.monitor)
    assert check is not None
    assert check.passed
    assert "the champion itself alarms" in check.figures


@pytest.mark.parametrize("case", [EQUAL, BETTER, NUMBERS])
def test_a_sound_model_does_not_alarm(compared: Compare, params: Params, case: Case) -> None:
    check = quiet(compared(case), params.release, params.monitor)
    assert check is not None
    assert check.passed


def test_without_a_reference_nobody_can_say(compared: Compare, params: Params) -> None:
    assert quiet(compared(EQUAL, reference=None), params.release, params.monitor) is None


@pytest.mark.parametrize("case", [EQUAL, NUMBERS])
def test_flips_are_reported_and_may_be_bounded(
    compared: Compare, params: Params, case: Case
) -> None:
    free = flips(compared(case), params.release)
    assert free.passed
    assert "not bounded" in free.figures
    few = params.release.model_copy(update={"max_flips": 0.001})
    bounded = flips(compared(case), few)
    assert not bounded.passed
    assert bounded.values["flipped"] == free.values["flipped"] > 0.001
    same = compared(case, challenger=compared(case).champion)
    assert flips(same, few).passed

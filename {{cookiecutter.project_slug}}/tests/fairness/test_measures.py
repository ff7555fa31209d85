"""Figures by group agree with fairlearn's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ml.errors import UserError
from ml.fairness.by_group import by_group
from ml.fairness.groups import groups_of
from ml.fairness.measures import measures, positive_code
from ml.fairness.report import fairness_report
from ml.params import Params
from tests.fairness.loans import CONTRACT, REGRESSION, loans, settings


def test_they_are_fairlearns(params: Params) -> None:
    from fairlearn.metrics import (
        MetricFrame,
        count,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )
    from sklearn.metrics import accuracy_score

    frame, y, answer = loans(worse=0.2)
    theirs = MetricFrame(
        metrics={
            "selection_rate": selection_rate,
            "true_positive_rate": true_positive_rate,
            "false_positive_rate": false_positive_rate,
            "accuracy": accuracy_score,
            "count": count,
        },
        y_true=y,
        y_pred=answer.argmax(axis=1),
        sensitive_features=frame["group"],
    ).by_group
    groups = groups_of(frame, CONTRACT, settings(params, min_rows=1))
    ours = by_group(groups, measures(y, answer, CONTRACT, None))
    compared = 0
    for each in ours:
        if each.figure in ("selection_rate", "true_positive_rate", "false_positive_rate"):
            assert each.value == pytest.approx(theirs.loc[each.level, each.figure])
            compared += 1
        if each.figure == "error":
            assert each.value == pytest.approx(1 - theirs.loc[each.level, "accuracy"])
            assert each.rows == theirs.loc[each.level, "count"]
    assert compared == 12


def test_another_class_may_be_the_one_that_is_looked_at(params: Params) -> None:
    frame, y, answer = loans()
    groups = groups_of(frame, CONTRACT, settings(params))
    of_yes, of_no = (
        {
            f.level: f.value
            for f in by_group(groups, measures(y, answer, CONTRACT, positive))
            if f.figure == "selection_rate"
        }
        for positive in ("yes", "no")
    )
    for level, share in of_yes.items():
        assert of_no[level] == pytest.approx(1 - share)
    with pytest.raises(UserError, match=r'fairness\.positive: "maybe" is no class of the target'):
        positive_code(CONTRACT, "maybe")


def test_of_numbers_the_mean_error_and_its_size_in_standard_deviations(params: Params) -> None:
    frame, _, _ = loans()
    rng = np.random.default_rng(1)
    y = rng.normal(0, 10, len(frame))
    off = np.where(frame["group"] == "b", 5.0, 0.0)
    asked = settings(params, columns=("group",))
    found = by_group(
        groups_of(frame, REGRESSION, asked), measures(y, (y + off)[:, None], REGRESSION, None)
    )
    values = {(f.level, f.figure): f.value for f in found}
    assert values["b", "calibration"] == pytest.approx(5 / y.std())
    assert values["b", "error"] == pytest.approx(5 / y.std())
    assert values["a", "error"] == 0
    assert {figure for _, figure in values} == {"calibration", "error"}


def test_rows_without_an_outcome_count_for_the_selection_alone() -> None:
    _, y, answer = loans()
    unknown = y.copy()
    unknown[::2] = -1
    by_name = {each.name: each for each in measures(unknown, answer, CONTRACT, None)}
    assert by_name["selection_rate"].counts.all()
    assert by_name["error"].counts.sum() == (unknown >= 0).sum()
    assert by_name["true_positive_rate"].counts.sum() == (unknown == 1).sum()


def test_of_three_classes_without_a_named_one_error_and_calibration(params: Params) -> None:
    target = CONTRACT.target.model_copy(update={"task": "multiclass", "classes": ("a", "b", "c")})
    three = CONTRACT.model_copy(update={"target": target})
    answer = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
    y = answer.argmax(axis=1)
    assert [each.name for each in measures(y, answer, three, None)] == ["calibration", "error"]
    assert len(measures(y, answer, three, "b")) == 5


def test_a_group_without_a_row_of_the_class_has_no_rate(params: Params) -> None:
    frame, y, answer = loans()
    never = np.where(frame["group"] == "c", 0, y)
    found = by_group(
        groups_of(frame, CONTRACT, settings(params)), measures(never, answer, CONTRACT, None)
    )
    (rate,) = [f for f in found if (f.level, f.figure) == ("c", "true_positive_rate")]
    assert rate.rows == 0
    assert np.isnan([rate.value, rate.low, rate.high, rate.variance]).all()
    report = fairness_report(frame, never, answer, CONTRACT, settings(params))
    assert json.loads(json.dumps(report, allow_nan=False)) == report

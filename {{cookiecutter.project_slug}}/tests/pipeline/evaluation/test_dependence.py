"""Partial dependence: agrees with scikit-learn's, and names what it draws."""

from __future__ import annotations

import numpy as np
import pytest

from ml.bundle import Answer
from ml.contract import Contract, Target
from ml.pipeline.evaluation.card_figures import HeldOut
from ml.pipeline.evaluation.dependence import COLUMNS, POINTS, ROWS, dependence

Fitted = tuple[HeldOut, Answer]


def test_it_follows_the_columns_that_matter(fitted: Fitted, contract: Contract) -> None:
    (_, x, _), model = fitted
    ranked = ["charge", "seen", "plan", "paperless", "city", "calls"]
    curves = dependence(model, x, contract, ranked)
    # `seen` is two features, so it has no curve
    assert [curve["column"] for curve in curves] == ["charge", "plan", "paperless", "city"]
    assert len(curves) == COLUMNS
    charge, plan, paperless, _ = ([p["value"] for p in curve["points"]] for curve in curves)
    assert len(charge) == POINTS
    assert charge == sorted(charge)
    assert plan == ["basic", "plus", "pro"]
    assert paperless == ["false", "true"]
    answers = [point["answer"] for point in curves[0]["points"]]
    assert answers[-1] > answers[0] + 0.3
    assert {curve["of"] for curve in curves} == {"yes"}
    assert all(p["low"] <= p["answer"] <= p["high"] for p in curves[0]["points"])


def test_a_point_is_the_mean_answer_with_that_value(fitted: Fitted, contract: Contract) -> None:
    (_, x, _), model = fitted
    (curve,) = dependence(model, x[:ROWS], contract, ["charge"])
    point = curve["points"][3]
    asked = x[:ROWS].copy()
    asked[:, 0] = point["value"]
    assert point["answer"] == pytest.approx(float(model(asked)[:, 1].mean()), abs=1e-6)


def test_of_more_classes_the_commonest_is_drawn_and_of_a_number_the_value(
    fitted: Fitted, contract: Contract
) -> None:
    (_, x, _), _ = fitted
    three = _with(contract, Target(name="left", task="multiclass", classes=("a", "b", "c")))
    (curve,) = dependence(lambda v: np.tile([0.2, 0.5, 0.3], (len(v), 1)), x, three, ["calls"])
    assert curve["of"] == "b"
    assert {point["answer"] for point in curve["points"]} == {0.5}
    number = _with(contract, Target(name="left", task="regression"))
    (curve,) = dependence(lambda v: v[:, 1:2].astype(np.float64) * 2, x, number, ["calls"])
    assert curve["of"] is None
    assert [p["answer"] for p in curve["points"]] == [2 * p["value"] for p in curve["points"]]


def test_a_column_without_values_has_no_points(fitted: Fitted, contract: Contract) -> None:
    (_, x, _), model = fitted
    empty = x.copy()
    empty[:, 0] = np.nan
    assert dependence(model, empty, contract, ["charge"])[0]["points"] == []


def _with(contract: Contract, target: Target) -> Contract:
    return contract.model_copy(update={"target": target})

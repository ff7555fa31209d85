"""Evaluation: what it says of the figures, slices, importance, the monitor's reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ml.bundle import Answer, load_onnx
from ml.contract import Contract, Target
from ml.dataset.frame import encode_frame, target_codes
from ml.encode import Encoder
from ml.params import Params
from ml.pipeline.evaluate import format_summary, reference, slices
from ml.pipeline.train import fit
from ml.pipeline.training.onnx_convert import to_onnx
from tests.conftest import unhashed

Make = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def judged(
    contract: Contract, params: Params, make_frame: Make
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, Answer]:
    frame = make_frame(1600)
    x, y = encode_frame(frame, Encoder(contract)), target_codes(frame, contract)
    boosting = params.train.model_copy(update={"model": "boosting"})
    model = load_onnx(to_onnx(fit(unhashed(x[:800], y[:800]), contract, boosting).model, contract))
    return frame[800:], y[800:], model(x[800:]), model


@pytest.mark.parametrize(("linear", "told"), [(0.7, False), (0.8, False), (0.9, True)])
def test_a_better_linear_model_is_suggested(linear: float, told: bool) -> None:
    compared = {"model": {"r2": 0.8}, "linear": {"r2": linear}, "baseline": {"r2": 0.0}}
    about = {"metric": "r2", "interval_95": {"low": 0.7, "high": 0.85}, "rows": 90}
    assert ("train: model: linear" in format_summary(compared, about)) is told


def test_a_figure_that_the_rows_cannot_define_is_said() -> None:
    about = {"metric": "r2", "interval_95": {"low": 0.7, "high": 0.85}, "rows": 90}
    told = format_summary({"model": {"r2": 0.8}, "linear": {}, "baseline": {"r2": 0.0}}, about)
    assert "r2 0.8000 (95 % 0.7000 to 0.8500), linear undefined, baseline 0.0000, on 90" in told
    none = format_summary({"model": {}, "linear": {"r2": 0.8}, "baseline": {}}, about)
    assert "r2 undefined (" in none
    assert "train: model: linear" not in none


def test_slices_count_every_large_level(
    contract: Contract, params: Params, judged: tuple[pd.DataFrame, np.ndarray, np.ndarray, Answer]
) -> None:
    frame, y, answer, _ = judged
    found = slices(frame, y, answer, contract, params.evaluate)
    plans = {s["level"]: s["rows"] for s in found if s["column"] == "plan"}
    assert plans == frame["plan"].value_counts().to_dict()
    assert all(s["interval_95"]["low"] <= s["roc_auc"] <= s["interval_95"]["high"] for s in found)
    none = params.evaluate.model_copy(update={"min_slice_rows": 10_000})
    assert slices(frame, y, answer, contract, none) == []


def test_the_reference_keeps_rows_and_adds_answers(
    contract: Contract, judged: tuple[pd.DataFrame, np.ndarray, np.ndarray, Answer]
) -> None:
    frame, _, answer, _ = judged
    made = reference(frame, answer, contract)
    assert made[frame.columns].equals(frame)
    assert set(made["prediction"]) == {"no", "yes"}
    np.testing.assert_array_equal(made["probability:yes"], answer[:, 1])


def test_the_reference_holds_hundreds_of_classes(
    contract: Contract, judged: tuple[pd.DataFrame, np.ndarray, np.ndarray, Answer]
) -> None:
    frame = judged[0]
    classes = tuple(f"class{i}" for i in range(150))
    target = Target(name="left", task="multiclass", classes=classes)
    many = contract.model_copy(update={"target": target})
    made = reference(frame, np.eye(150)[np.arange(len(frame)) % 150], many)
    assert list(made["prediction"][:3]) == ["class0", "class1", "class2"]
    assert made.shape == (len(frame), frame.shape[1] + 151)

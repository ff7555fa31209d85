"""Evaluation: figures against scikit-learn's own, intervals, slices, importance, pictures that exist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from ml.contract import Contract
from ml.dataset.frame import encode_frame, target_codes
from ml.encode import Encoder
from ml.metrics import answers, interval, score
from ml.params import Params
from ml.pipeline import plots
from ml.pipeline.evaluate import importance, in_words, reference, slices
from ml.pipeline.train import fit

Make = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def judged(
    contract: Contract, params: Params, make_frame: Make
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, object]:
    frame = make_frame(1600)
    x, y = encode_frame(frame, Encoder(contract)), target_codes(frame, contract)
    model = fit(x[:800], y[:800], contract, params.train).models["model"]
    return frame[800:], y[800:], answers(model, x[800:], contract), model


@pytest.mark.parametrize(("linear", "told"), [(0.7, False), (0.8, False), (0.9, True)])
def test_a_better_linear_model_is_suggested(linear: float, told: bool) -> None:
    compared = {"model": {"r2": 0.8}, "linear": {"r2": linear}, "baseline": {"r2": 0.0}}
    about = {"metric": "r2", "interval_95": {"low": 0.7, "high": 0.85}, "rows": 90}
    assert ("train: model: linear" in in_words(compared, about)) is told


def test_figures_are_scikit_learns(
    contract: Contract, judged: tuple[pd.DataFrame, np.ndarray, np.ndarray, object]
) -> None:
    _, y, answer, _ = judged
    found = score(y, answer, contract)
    assert found["roc_auc"] == pytest.approx(roc_auc_score(y, answer[:, 1]))
    assert found["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(y, answer.argmax(axis=1))
    )


def test_the_interval_holds_the_figure(
    contract: Contract, judged: tuple[pd.DataFrame, np.ndarray, np.ndarray, object]
) -> None:
    _, y, answer, _ = judged
    low, high = interval(y, answer, "roc_auc")
    assert low < score(y, answer, contract)["roc_auc"] < high
    assert high - low < 0.1


def test_what_rows_cannot_define_is_left_out(contract: Contract) -> None:
    found = score(np.zeros(5, dtype=int), np.full((5, 2), 0.5), contract)
    assert "roc_auc" not in found
    assert found["brier"] == pytest.approx(0.25)


def test_slices_count_every_large_level(
    contract: Contract, params: Params, judged: tuple[pd.DataFrame, np.ndarray, np.ndarray, object]
) -> None:
    frame, y, answer, _ = judged
    found = slices(frame, y, answer, contract, params.evaluate)
    plans = {s["level"]: s["rows"] for s in found if s["column"] == "plan"}
    assert plans == frame["plan"].value_counts().to_dict()
    none = params.evaluate.model_copy(update={"min_slice_rows": 10_000})
    assert slices(frame, y, answer, contract, none) == []


def test_importance_finds_the_columns_that_matter(
    contract: Contract, judged: tuple[pd.DataFrame, np.ndarray, np.ndarray, object]
) -> None:
    frame, y, _, model = judged
    found = importance(model, encode_frame(frame, Encoder(contract)), y, contract, "roc_auc")
    assert set(list(found)[:2]) == {"charge", "calls"}
    assert found["charge"] > 10 * abs(found["city"])


def test_the_reference_keeps_rows_and_adds_answers(
    contract: Contract, judged: tuple[pd.DataFrame, np.ndarray, np.ndarray, object]
) -> None:
    frame, _, answer, _ = judged
    made = reference(frame, answer, contract)
    assert made[frame.columns].equals(frame)
    assert set(made["prediction"]) == {"no", "yes"}
    np.testing.assert_array_equal(made["probability:yes"], answer[:, 1])


def test_pictures_are_drawn(
    contract: Contract, judged: tuple[pd.DataFrame, np.ndarray, np.ndarray, object], tmp_path: Path
) -> None:
    _, y, answer, _ = judged
    plots.draw(tmp_path, y, answer, contract, {"price $": 0.2, "calls": 0.1})
    made = {path.name: path.read_bytes()[:8] for path in tmp_path.iterdir()}
    assert set(made) == {"importance.png", "confusion.png", "roc.png", "reliability.png"}
    assert set(made.values()) == {b"\x89PNG\r\n\x1a\n"}

"""Models of every kind and task: they learn, they are stored without pickle, and ONNX answers alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.contract import Categorical, Contract, Target
from ml.dataset.frame import encode_frame, target_codes
from ml.encode import Encoder
from ml.errors import UserError
from ml.metrics import answers, score
from ml.model import ONE_HOT_LEVELS, STORED_TYPES
from ml.params import Params, Search
from ml.pipeline.artifacts import load_model, save_model
from ml.pipeline.export import difference, edge_rows, onnx_answers, parity, refuse_difference
from ml.pipeline.onnx_convert import to_onnx
from ml.pipeline.train import fit

Make = Callable[..., pd.DataFrame]
CLASSES = ("low", "middle", "high")


def of_task(task: str, contract: Contract, frame: pd.DataFrame) -> tuple[Contract, pd.DataFrame]:
    """The same rows with another question."""
    if task == "binary":
        return contract, frame
    pressure = frame["charge"].fillna(100) + 20 * frame["calls"]
    if task == "regression":
        return contract.model_copy(
            update={"target": Target(name="left", task="regression")}
        ), frame.assign(left=pressure)
    labels = pd.cut(pressure, [-1, 120, 240, 1000], labels=list(CLASSES)).astype(object)
    target = Target(name="left", task="multiclass", classes=CLASSES)
    return contract.model_copy(update={"target": target}), frame.assign(left=labels)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("kind", ["boosting", "linear", "forest"])
def test_every_model_learns_and_keeps_parity(
    task: str, kind: str, contract: Contract, params: Params, make_frame: Make, tmp_path: Path
) -> None:
    asked, frame = of_task(task, contract, make_frame(1500))
    encoder = Encoder(asked)
    x, y = encode_frame(frame, encoder), target_codes(frame, asked)
    forest = params.train.forest.model_copy(update={"n_estimators": 20})
    fitted = fit(
        x[:1000], y[:1000], asked, params.train.model_copy(update={"model": kind, "forest": forest})
    ).models
    metric = "r2" if task == "regression" else "balanced_accuracy"
    ours = score(y[1000:], answers(fitted["model"], x[1000:], asked), asked)[metric]
    naive = score(y[1000:], answers(fitted["baseline"], x[1000:], asked), asked)[metric]
    assert ours > naive + 0.1

    save_model(fitted["model"], tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops", STORED_TYPES)
    tried = np.concatenate([x[1000:], edge_rows(x[1000:], encoder.features)])
    expected, found = answers(loaded, tried, asked), onnx_answers(to_onnx(loaded, asked), tried)
    report = parity(expected, found, asked, 1e-5)
    assert report["largest_difference"] <= 1e-5
    assert report["labels_flipped"] == 0
    refuse_difference(report, expected, found, difference(expected, found, asked), str)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_many_levels_are_encoded_by_their_target_and_repeatably(
    task: str, contract: Contract, params: Params, make_frame: Make
) -> None:
    asked, frame = of_task(task, contract, make_frame(1500))
    levels = tuple(f"shop {i}" for i in range(ONE_HOT_LEVELS + 20))
    shop = Categorical(name="shop", kind="categorical", levels=levels, missing=True, unseen="pool")
    asked = asked.model_copy(update={"columns": (shop,)})
    order = np.lexsort(
        (np.random.default_rng(0).random(1500), target_codes(frame, asked))
    ).argsort()
    if task == "regression":
        frame["left"] = frame["left"].round()  # whole numbers: scikit-learn would guess classes
    # neighbors in the target share a shop
    frame["shop"] = np.array(levels)[order * len(levels) // len(order)]
    encoder = Encoder(asked)
    x, y = encode_frame(frame, encoder), target_codes(frame, asked)
    model, again = (fit(x[:1000], y[:1000], asked, params.train).models["model"] for _ in range(2))
    metric = "r2" if task == "regression" else "balanced_accuracy"
    assert score(y[1000:], answers(model, x[1000:], asked), asked)[metric] > 0.8
    np.testing.assert_array_equal(answers(model, x, asked), answers(again, x, asked))
    tried = np.concatenate([x[1000:], edge_rows(x[1000:], encoder.features)])
    found = onnx_answers(to_onnx(model, asked), tried)
    assert parity(answers(model, tried, asked), found, asked, 1e-5)["largest_difference"] <= 1e-5


def test_thresholds_between_neighbouring_floats_split_alike(
    contract: Contract, params: Params
) -> None:
    """Rows whose values lie one float32 step apart, where rounding a threshold to nearest would move a row."""
    columns = tuple(c for c in contract.columns if c.name == "charge")
    narrow = contract.model_copy(update={"columns": columns, "time": None})
    steps = np.float32(16777.1) + np.arange(400, dtype=np.float32) * np.spacing(np.float32(16777.1))
    x, y = np.repeat(steps, 5)[:, None], np.repeat(np.arange(400) // 7 % 2, 5)
    model = fit(x, y, narrow, params.train).models["model"]
    expected, found = answers(model, x, narrow), onnx_answers(to_onnx(model, narrow), x)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("timed", [True, False])
def test_search_halves_its_trials_and_repeats_itself(
    task: str, timed: bool, contract: Contract, params: Params, make_frame: Make
) -> None:
    asked, frame = of_task(task, contract, make_frame(1600))
    asked = asked if timed else asked.model_copy(update={"time": None})
    x, y = encode_frame(frame, Encoder(asked)), target_codes(frame, asked)
    few = params.train.boosting.model_copy(update={"max_iter": 10})
    train = params.train.model_copy(update={"search": Search(trials=4), "boosting": few})
    first, again = fit(x, y, asked, train), fit(x, y, asked, train)
    assert first.trials == again.trials
    assert [t["rows"] for t in first.trials] == [533] * 4 + [1599] * 2
    best = max(first.trials[4:], key=lambda trial: trial["score"])
    assert (
        first.models["model"][-1].get_params()["learning_rate"] == best["settings"]["learning_rate"]
    )


def test_a_difference_is_refused_with_its_row(contract: Contract) -> None:
    expected = np.array([[0.4, 0.6], [0.9, 0.1]])
    found = np.array([[0.4, 0.6], [0.3, 0.7]])
    report = parity(expected, found, contract, 1e-5)
    assert report["labels_flipped"] == 1
    with pytest.raises(UserError, match=r"1 labels flipped in 2 rows\); the row: row 1"):
        refuse_difference(
            report, expected, found, difference(expected, found, contract), lambda row: f"row {row}"
        )


def test_answers_that_are_not_numbers_are_a_difference(contract: Contract) -> None:
    assert difference(np.array([[0.5, 0.5]]), np.array([[np.nan, 0.5]]), contract).tolist() == [
        np.inf
    ]

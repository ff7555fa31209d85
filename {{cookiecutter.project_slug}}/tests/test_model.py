"""Models of every kind and task learn, and ONNX answers alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ml.bundle import onnx_answers
from ml.contract import Categorical, Contract
from ml.dataset.frame import encode_frame, target_codes
from ml.encode import Encoder
from ml.metrics import answers, score
from ml.model import ONE_HOT_LEVELS
from ml.params import Params
from ml.pipeline.train import fit
from ml.pipeline.training.onnx_convert import to_onnx
from ml.pipeline.training.parity import difference, edge_rows, parity, refuse_difference
from tests.conftest import unhashed
from tests.pipeline.tasks import of_task

Make = Callable[..., pd.DataFrame]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("kind", ["boosting", "lightgbm", "linear", "forest", "ensemble"])
def test_every_model_learns_and_keeps_parity(
    task: str, kind: str, contract: Contract, params: Params, make_frame: Make
) -> None:
    asked, frame = of_task(task, contract, make_frame(1500))
    encoder = Encoder(asked)
    x, y = encode_frame(frame, encoder), target_codes(frame, asked)
    forest = params.train.forest.model_copy(update={"n_estimators": 20})
    trees = {"max_iter": 30} if kind == "ensemble" else {}  # it fits four times as many
    boosting = params.train.boosting.model_copy(update=trees)
    fitted = fit(
        unhashed(x[:1000], y[:1000]),
        asked,
        params.train.model_copy(update={"model": kind, "forest": forest, "boosting": boosting}),
    )
    metric = "r2" if task == "regression" else "balanced_accuracy"
    ours = score(y[1000:], answers(fitted.model, x[1000:], asked), asked)[metric]
    naive = score(y[1000:], np.tile(fitted.baseline, (500, 1)), asked)[metric]
    assert ours > naive + 0.1

    tried = np.concatenate([x[1000:], edge_rows(x[1000:], encoder.features)])
    expected, found = (
        answers(fitted.model, tried, asked),
        onnx_answers(to_onnx(fitted.model, asked), tried),
    )
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
    rows = unhashed(x[:1000], y[:1000])
    model, again = (
        fit(rows, asked, params.train.model_copy(update={"model": "boosting"})).model
        for _ in range(2)
    )
    metric = "r2" if task == "regression" else "balanced_accuracy"
    assert score(y[1000:], answers(model, x[1000:], asked), asked)[metric] > 0.8
    np.testing.assert_array_equal(answers(model, x, asked), answers(again, x, asked))
    tried = np.concatenate([x[1000:], edge_rows(x[1000:], encoder.features)])
    found = onnx_answers(to_onnx(model, asked), tried)
    assert parity(answers(model, tried, asked), found, asked, 1e-5)["largest_difference"] <= 1e-5

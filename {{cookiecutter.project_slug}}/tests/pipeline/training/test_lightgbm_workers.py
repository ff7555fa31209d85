"""LightGBM over shared rows, the shares in threads of this process (on workers: tests/scale)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline

from ml.bundle import onnx_answers
from ml.contract import Contract
from ml.dataset.frame import encode_frame, target_codes
from ml.encode import Encoder
from ml.errors import UserError
from ml.metrics import answers, gate_metric, measure
from ml.params import Params, Search
from ml.pipeline.train import fit
from ml.pipeline.training import lightgbm_workers
from ml.pipeline.training.lightgbm_workers import (
    dealt,
    fit_model,
    refuse_others,
    rows_of_each_level,
)
from ml.pipeline.training.onnx_convert import to_onnx
from ml.scale.shares import Seat, Work
from tests.conftest import unhashed
from tests.pipeline.tasks import of_task

Make = Callable[..., pd.DataFrame]


def in_threads(setting: str, work: Work) -> list[Any]:
    """As many shares as the work says, which talk to each other over LightGBM's network."""
    n = work.workers
    with ExitStack() as stack:
        free = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        machines = tuple(f"127.0.0.1:{server.getsockname()[1]}" for server in free)
    blocks = list(work.blocks(n))
    with ThreadPoolExecutor(n) as pool:
        ended = [
            pool.submit(
                work.function, work.task, Seat(i, machines, 1), [block[i] for block in blocks]
            )
            for i in range(n)
        ]
        return [future.result() for future in ended]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_model_of_shared_rows_is_an_ordinary_one(
    task: str, contract: Contract, params: Params, make_frame: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as good as that of one process, and converts."""
    monkeypatch.setattr(lightgbm_workers, "run_shares", in_threads)
    monkeypatch.setattr(lightgbm_workers, "BLOCK_BYTES", 10_000)  # several blocks
    asked, frame = of_task(task, contract, make_frame(3000))
    x, y = encode_frame(frame, Encoder(asked)), target_codes(frame, asked)
    few = params.train.lightgbm.model_copy(update={"n_estimators": 60})
    settings = {
        "lightgbm": few,
        "model": "lightgbm",
        "class_weight": "balanced" if asked.is_classification else None,
    }
    local = params.train.model_copy(update=settings)
    shared = local.model_copy(update={"executor": "dask", "workers": 2})
    one, two = (fit(unhashed(x[:2000], y[:2000]), asked, of) for of in (local, shared))
    tried = x[2000:]
    expected = answers(two.model, tried, asked)
    np.testing.assert_allclose(
        onnx_answers(to_onnx(two.model, asked), tried), expected, atol=1e-5, rtol=1e-5
    )
    metric = gate_metric("auto", asked)
    ours, theirs = (measure(metric, y[2000:], answers(of.model, tried, asked)) for of in (one, two))
    assert theirs > ours - 0.05
    assert two.comparison["workers"] == 2
    assert "workers" not in one.comparison


def test_the_best_settings_of_a_search_are_fitted_on_shared_rows(
    contract: Contract, params: Params, make_frame: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lightgbm_workers, "run_shares", in_threads)
    frame = make_frame(900)
    x, y = encode_frame(frame, Encoder(contract)), target_codes(frame, contract)
    few = params.train.lightgbm.model_copy(update={"n_estimators": 5})
    asked = {"model": "lightgbm", "executor": "dask", "workers": 2, "lightgbm": few}
    train = params.train.model_copy(update={**asked, "search": Search(trials=2)})
    fitted = fit(unhashed(x, y), contract, train)
    best = max(fitted.searched.trials, key=lambda trial: trial["score"])
    assert fitted.model[-1].get_params()["learning_rate"] == best["settings"]["learning_rate"]
    assert fitted.comparison["workers"] == 2


def test_each_row_goes_to_one_share_and_the_held_back_ones_are_the_same_for_any_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lightgbm_workers, "BLOCK_BYTES", 4 * 700)
    x = np.arange(2000, dtype=np.float32)[:, None]
    held = {}
    for shares in (1, 3):
        blocks = list(dealt(x, np.arange(2000), 0.1, 7, shares))
        assert len(blocks) == 3
        parts = [part for block in blocks for part in block]
        for learned, learned_y, held_back, held_y in parts:
            np.testing.assert_array_equal(learned[:, 0], learned_y)
            np.testing.assert_array_equal(held_back[:, 0], held_y)
        held[shares] = sorted(np.concatenate([part[3] for part in parts]).tolist())
        every = np.concatenate([part[i] for part in parts for i in (1, 3)])
        assert sorted(every.tolist()) == list(range(2000))
    assert held[1] == held[3]
    assert len(held[1]) == 200
    with pytest.raises(UserError, match="2000 rows are too few for 21 workers"):
        next(dealt(x, x[:, 0], 0.1, 7, 21))


def test_a_row_of_each_level_is_found_in_any_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightgbm_workers, "BLOCK_BYTES", 4 * 2 * 3)
    x = np.array([[5, 0], [5, 1], [5, 0], [5, -1], [6, 1], [5, 2]], dtype=np.float32)
    assert rows_of_each_level(x, [1]).tolist() == [0, 1, 3, 5]
    assert rows_of_each_level(x, [0]).tolist() == [0, 4]
    assert rows_of_each_level(x, []).tolist() == [0]


def test_another_kind_of_model_is_refused(params: Params) -> None:
    on_workers = params.train.model_copy(update={"executor": "dask", "model": "boosting"})
    with pytest.raises(UserError, match=r"is dask, and train\.model is boosting"):
        refuse_others(on_workers)
    refuse_others(on_workers.model_copy(update={"model": "lightgbm"}))
    refuse_others(on_workers.model_copy(update={"executor": "local"}))


def test_a_model_of_another_kind_is_refused(params: Params) -> None:
    shared = params.train.model_copy(update={"executor": "dask"})
    for model in (make_pipeline(LinearRegression()), LGBMRegressor()):
        with pytest.raises(UserError, match=f"make_model ends with {name_of(model)}, which"):
            fit_model(model, np.zeros((4, 1), np.float32), np.zeros(4), shared)


def name_of(model: Any) -> str:
    return type(model[-1] if isinstance(model, Pipeline) else model).__name__

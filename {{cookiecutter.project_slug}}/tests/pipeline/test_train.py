"""Training: the estimators by name, and no early stopping where a held-back tenth is noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info

from ml.contract import Contract
from ml.dataset.frame import encode_frame, target_codes
from ml.encode import Encoder
from ml.params import Params
from ml.pipeline.train import few_threads, fit
from tests.conftest import unhashed


@pytest.mark.parametrize(("rows", "stops"), [(900, False), (1100, True)])
def test_few_rows_are_fitted_without_early_stopping(
    contract: Contract,
    params: Params,
    make_frame: Callable[..., pd.DataFrame],
    rows: int,
    stops: bool,
) -> None:
    frame = make_frame(rows)
    x, y = encode_frame(frame, Encoder(contract)), target_codes(frame, contract)
    few = params.train.boosting.model_copy(update={"max_iter": 5})
    fitted = fit(
        unhashed(x, y),
        contract,
        params.train.model_copy(update={"model": "boosting", "boosting": few}),
    )
    assert fitted.model[-1].early_stopping is stops
    np.testing.assert_allclose(fitted.baseline, [(y == 0).mean(), (y == 1).mean()])
    assert fitted.comparison == {
        "chosen": "boosting",
        "candidates": {},
        "windows": {},
        "window": rows,
    }
    assert fitted.searched.trials == []


def test_a_small_table_takes_one_thread_of_every_pool_of_trees(params: Params) -> None:
    asked = params.train.model_copy(update={"model": "lightgbm"})
    with few_threads(np.zeros((1_000_000, 1), np.float32), asked):
        usual = openmp_threads()  # LightGBM's pool is loaded from here on
    with few_threads(np.zeros((1000, 1), np.float32), asked):
        assert set(openmp_threads()) == {1}
    assert openmp_threads() == usual


def openmp_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"]

"""LightGBM splits in ONNX as it does itself (every task: test_model.py)."""

from __future__ import annotations

import numpy as np
import pytest

from ml.bundle import onnx_answers
from ml.contract import Contract
from ml.encode import Encoder
from ml.metrics import answers
from ml.params import Params
from ml.pipeline.train import fit
from ml.pipeline.training.lightgbm_onnx import floor32
from ml.pipeline.training.onnx_convert import to_onnx
from tests.conftest import unhashed


@pytest.mark.parametrize("kind", ["boosting", "lightgbm"])
def test_a_missing_value_that_training_never_saw_goes_the_same_way(
    contract: Contract, params: Params, kind: str
) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, len(Encoder(contract).features))).astype(np.float32)
    rows = unhashed(x, (x.sum(axis=1) > 0).astype(int))
    model = fit(rows, contract, params.train.model_copy(update={"model": kind})).model
    tried = np.where(rng.random(x.shape) < 0.3, np.float32(np.nan), x)
    expected, found = answers(model, tried, contract), onnx_answers(to_onnx(model, contract), tried)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_floor32_is_the_next_float32_below() -> None:
    values = np.array([0.1, -0.1, 1.0, 16777217.0])
    floored = floor32(values)
    assert (floored <= values).all()
    np.testing.assert_array_equal(floored, floored.astype(np.float32))
    above = np.nextafter(floored.astype(np.float32), np.float32(np.inf))
    assert (above.astype(np.float64) > values).all()

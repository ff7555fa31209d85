"""ONNX answers as scikit-learn does where rounding is hardest (all models: test_model.py)."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from ml.bundle import onnx_answers
from ml.contract import Contract
from ml.encode import Encoder
from ml.metrics import answers
from ml.params import Params
from ml.pipeline.train import fit
from ml.pipeline.training.onnx_convert import constant_onnx, to_onnx
from tests.conftest import unhashed


@pytest.mark.parametrize("kind", ["boosting", "lightgbm"])
def test_thresholds_between_neighbouring_floats_split_alike(
    contract: Contract, params: Params, kind: str
) -> None:
    """Values one float32 step apart: a threshold rounded to nearest would move a row."""
    columns = tuple(c for c in contract.columns if c.name == "charge")
    narrow = contract.model_copy(update={"columns": columns, "time": None})
    steps = np.float32(16777.1) + np.arange(400, dtype=np.float32) * np.spacing(np.float32(16777.1))
    settings = params.train.model_copy(update={"model": kind})
    x, y = np.repeat(steps, 5)[:, None], np.repeat(np.arange(400) // 7 % 2, 5)
    model = fit(unhashed(x, y), narrow, settings).model
    expected, found = answers(model, x, narrow), onnx_answers(to_onnx(model, narrow), x)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["boosting", "lightgbm", "linear", "forest"])
def test_the_same_model_becomes_the_same_bytes(
    contract: Contract, params: Params, kind: str
) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((200, len(Encoder(contract).features))).astype(np.float32)
    rows = unhashed(x, (x[:, 0] > 0.5).astype(int))
    settings = params.train.model_copy(update={"model": kind})
    made = {to_onnx(fit(rows, contract, settings).model, contract) for _ in range(2)}
    assert len(made) == 1
    domains = [opset.domain for opset in onnx.load_from_string(made.pop()).opset_import]
    assert domains == sorted(domains)  # not as a set of texts has them, which changes with each run


@pytest.mark.parametrize("rows", [0, 1, 250])
def test_a_constant_answers_each_row_alike(contract: Contract, rows: int) -> None:
    x = np.zeros((rows, len(Encoder(contract).features)), dtype=np.float32)
    answered = onnx_answers(constant_onnx(np.array([0.25, 0.75]), contract), x)
    np.testing.assert_array_equal(answered, np.tile([0.25, 0.75], (rows, 1)))

"""ONNX answers as scikit-learn does where rounding is hardest (all models: test_model.py)."""

from __future__ import annotations

import numpy as np

from ml.bundle import onnx_answers
from ml.contract import Contract
from ml.metrics import answers
from ml.params import Params
from ml.pipeline.onnx_convert import to_onnx
from ml.pipeline.train import fit


def test_thresholds_between_neighbouring_floats_split_alike(
    contract: Contract, params: Params
) -> None:
    """Values one float32 step apart: a threshold rounded to nearest would move a row."""
    columns = tuple(c for c in contract.columns if c.name == "charge")
    narrow = contract.model_copy(update={"columns": columns, "time": None})
    steps = np.float32(16777.1) + np.arange(400, dtype=np.float32) * np.spacing(np.float32(16777.1))
    x, y = np.repeat(steps, 5)[:, None], np.repeat(np.arange(400) // 7 % 2, 5)
    model = fit(x, y, narrow, params.train).models["model"]
    expected, found = answers(model, x, narrow), onnx_answers(to_onnx(model, narrow), x)
    np.testing.assert_allclose(found, expected, atol=1e-6)

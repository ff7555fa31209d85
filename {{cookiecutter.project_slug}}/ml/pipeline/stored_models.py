"""Estimators on their way from the train stage to the next ones, as ONNX.

ONNX holds no code, and it is what serves: the stages after training judge that very thing, and load
no scikit-learn model.
"""

from __future__ import annotations

from pathlib import Path

from ml.bundle import Answer, load_onnx
from ml.errors import UserError
from ml.pipeline.artifacts import MODELS


def model_path(name: str) -> Path:
    """Where the ONNX form of an estimator (`model`, `measured`, `linear`, `baseline`) lies."""
    return MODELS / f"{name}.onnx"


def load_model(name: str) -> Answer:
    """An estimator that the train stage wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = model_path(name)
    if not path.is_file():
        raise UserError(f"{path}: no such file", "make flow")
    try:
        return load_onnx(path.read_bytes())
    except Exception as error:  # onnxruntime's exceptions share no base class
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: is not a stored model: {first[:300]}", "make flow") from None

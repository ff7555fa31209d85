"""ONNX models that answer one half each, and fail at rows whose monthly charge is over a limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ml.bundle import onnx_answers, write_bundle
from ml.encode import Encoder
from tests.serving.conftest import CLASSIFICATION, sample_rows, seal

LIMIT = 1000.0  # far above all sample rows
FAILS_AT = {"monthly charge": 5000.0}


def write_failing_release(folder: Path, version: str, *, raises: bool) -> None:
    """Seal a release whose model answers NaN beyond the limit, or cannot run there."""
    encoder = Encoder(CLASSIFICATION)
    width = encoder.rows(sample_rows(CLASSIFICATION, 1)).shape[1]
    rows = sample_rows(CLASSIFICATION, 8)
    model = _model(width, _raising() if raises else _not_a_number())
    golden = {"rows": rows, "answers": onnx_answers(model, encoder.rows(rows)).tolist()}
    about = {"model": "boosting", "metrics": {"roc_auc": 0.9}, "baseline": {"roc_auc": 0.5}}
    write_bundle(folder, model, CLASSIFICATION, about, golden)
    seal(folder, version)


def _not_a_number() -> list[Any]:
    """`second` (n, 1) is one half, and NaN where the first column is over the limit."""
    return [
        helper.make_node("Sub", ["limit", "first"], ["left"]),
        helper.make_node("Sqrt", ["left"], ["root"]),
        helper.make_node("Mul", ["root", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "half"], ["second"]),
    ]


def _raising() -> list[Any]:
    """`second` (n, 1) is looked up at place 0, and at place 7 of one where it is over the limit."""
    return [
        helper.make_node("Greater", ["first", "limit"], ["over"]),
        helper.make_node("Cast", ["over"], ["flag"], to=TensorProto.INT64),
        helper.make_node("Mul", ["flag", "seven"], ["place"]),
        helper.make_node("Gather", ["halves", "place"], ["second"]),
    ]


def _model(width: int, second: list[Any]) -> bytes:
    constants = {
        "zeroth": np.array([0], np.int64),
        "limit": np.array([[LIMIT]], np.float32),
        "nothing": np.array([[0]], np.float32),
        "half": np.array([[0.5]], np.float32),
        "halves": np.array([0.5], np.float32),
        "one": np.array([[1]], np.float32),
        "seven": np.array([[7]], np.int64),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["x", "zeroth"], ["first"], axis=1),
            *second,
            helper.make_node("Sub", ["one", "second"], ["other"]),
            helper.make_node("Concat", ["other", "second"], ["y"], axis=1),
        ],
        "failing",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    content: bytes = model.SerializeToString()
    return content

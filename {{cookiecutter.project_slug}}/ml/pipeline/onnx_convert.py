"""ONNX for two encoders where skl2onnx 1.20 falls short.

It refuses target encoding for three classes or more, and writes one-hot encoding as three nodes for
each column: in the answer to a single row each node costs as much as the trees.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ml.contract import Contract
from ml.encode import Encoder

OPSET = 21  # the newest that skl2onnx 1.20 writes


def one_hot_shape(operator: Any) -> None:
    """One output column for each level of each column."""
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType(
        [None, sum(map(len, operator.raw_operator.categories_))]
    )


def one_hot(scope: Any, operator: Any, container: Any) -> None:
    """Each column repeated once for each of its levels, and compared with them; of an unknown code none is equal."""
    from onnx import TensorProto
    from skl2onnx.common._apply_operation import apply_cast, apply_concat

    levels = operator.raw_operator.categories_
    x, repeated = scope.get_unique_variable_name("x"), scope.get_unique_variable_name("repeated")
    places, codes = (
        scope.get_unique_variable_name("places"),
        scope.get_unique_variable_name("codes"),
    )
    equal = scope.get_unique_variable_name("equal")
    width = sum(map(len, levels))
    container.add_initializer(
        places,
        TensorProto.INT64,
        [width],
        np.repeat(np.arange(len(levels)), list(map(len, levels))),
    )
    container.add_initializer(
        codes, TensorProto.FLOAT, [1, width], np.concatenate(levels).astype(np.float32)
    )
    apply_concat(scope, [value.full_name for value in operator.inputs], x, container, axis=1)
    container.add_node(
        "Gather", [x, places], repeated, name=scope.get_unique_operator_name("Gather"), axis=1
    )
    container.add_node(
        "Equal",
        [repeated, codes],
        equal,
        name=scope.get_unique_operator_name("Equal"),
        op_version=19,
    )
    apply_cast(scope, equal, operator.outputs[0].full_name, container, to=TensorProto.FLOAT)


def target_encoder_shape(operator: Any) -> None:
    """One output column for each encoded column and, of three classes or more, each class."""
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([None, len(operator.raw_operator.encodings_)])


def target_encoder(scope: Any, operator: Any, container: Any) -> None:
    """A lookup for each column and class; a code that was not seen becomes the target's mean."""
    from onnx import TensorProto
    from skl2onnx.common._apply_operation import apply_concat

    encoder = operator.raw_operator
    means = np.atleast_1d(encoder.target_mean_)
    x = scope.get_unique_variable_name("x")
    apply_concat(scope, [value.full_name for value in operator.inputs], x, container, axis=1)
    looked_up = []
    # column by column, its classes beside each other
    for i, encoding in enumerate(encoder.encodings_):
        column, index = (
            scope.get_unique_variable_name("column"),
            scope.get_unique_variable_name("index"),
        )
        container.add_initializer(index, TensorProto.INT64, [1], [i // len(means)])
        container.add_node(
            "Gather", [x, index], column, name=scope.get_unique_operator_name("Gather"), axis=1
        )
        looked_up.append(scope.get_unique_variable_name("encoded"))
        container.add_node(
            "LabelEncoder",
            [column],
            looked_up[-1],
            op_domain="ai.onnx.ml",
            op_version=2,
            name=scope.get_unique_operator_name("LabelEncoder"),
            keys_floats=encoder.categories_[i // len(means)].astype(np.float32),
            values_floats=encoding.astype(np.float32),
            default_float=float(means[i % len(means)]),
        )
    apply_concat(scope, looked_up, operator.outputs[0].full_name, container, axis=1)


def to_onnx(model: Any, contract: Contract) -> bytes:
    """The fitted pipeline as ONNX: x (n, k) float32 → `probabilities` (n, classes) or `value` (n, 1), float32."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.preprocessing import OneHotEncoder, TargetEncoder

    width = len(Encoder(contract).features)
    options = {id(model): {"zipmap": False}} if contract.is_classification else None
    types = [("x", FloatTensorType([None, width]))]
    # the converter hands booleans to protobuf where integers are due
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made = convert_sklearn(
            model,
            initial_types=types,
            target_opset=OPSET,
            options=options,
            custom_conversion_functions={OneHotEncoder: one_hot, TargetEncoder: target_encoder},
            custom_shape_calculators={
                OneHotEncoder: one_hot_shape,
                TargetEncoder: target_encoder_shape,
            },
        )
    graph = made.graph
    wanted, name = (graph.output[-1], "probabilities" if contract.is_classification else "value")
    _rename(graph, wanted.name, name)
    del graph.output[:-1]
    graph.output[0].name = name
    return bytes(made.SerializeToString())


def _rename(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name == old:
                    names[i] = new


def round_to_float32(model: Any) -> Any:
    """Round a fitted Pipeline's constants to float32, so that ONNX computes the very same thing.

    The model's input is float32. A threshold t between two neighbouring float32 numbers splits them
    alike after it is rounded *down* to float32 (x <= t and x <= floor32(t) agree for every float32
    x); rounded to nearest, as a converter does, it may not. Means, medians and target encodings are
    rounded to nearest in both. Returns the same object.
    """
    for step in _fitted_parts(model):
        for name in ("mean_", "statistics_"):
            if getattr(step, name, None) is not None:
                setattr(step, name, getattr(step, name).astype(np.float32).astype(np.float64))
        if hasattr(step, "encodings_"):
            step.encodings_ = [e.astype(np.float32).astype(np.float64) for e in step.encodings_]
            step.target_mean_ = np.float32(step.target_mean_).astype(np.float64)
        for trees in getattr(step, "_predictors", []):  # histogram gradient boosting
            for tree in trees:
                tree.nodes["num_threshold"] = _floor32(tree.nodes["num_threshold"])
        for tree in getattr(step, "estimators_", []):  # forests
            tree.tree_.threshold[:] = _floor32(tree.tree_.threshold)
    return model


def _fitted_parts(model: Any) -> list[Any]:
    if hasattr(model, "steps"):
        return [part for _, step in model.steps for part in _fitted_parts(step)]
    if hasattr(model, "transformers_"):
        return [part for _, step, _ in model.transformers_ for part in _fitted_parts(step)]
    return [model]


def _floor32(values: Any) -> Any:
    down = values.astype(np.float32)
    return np.where(down > values, np.nextafter(down, np.float32(-np.inf)), down).astype(np.float64)

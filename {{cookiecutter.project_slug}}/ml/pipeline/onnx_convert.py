"""A fitted scikit-learn pipeline as ONNX that computes the very same thing.

Two encoders have converters of our own, where skl2onnx 1.20 falls short: it refuses target encoding
for three classes or more, and writes one-hot encoding as three nodes for each column (in the answer
to a single row each node costs as much as the trees).
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
    """Repeat each column once for each of its levels and compare; an unknown code equals none."""
    from onnx import TensorProto
    from skl2onnx.common._apply_operation import apply_cast

    levels = operator.raw_operator.categories_
    sizes = [len(each) for each in levels]
    x = _joined_inputs(scope, operator, container)
    places, codes = _names(scope, "places", "codes")
    repeated, equal = _names(scope, "repeated", "equal")
    of_column = np.repeat(np.arange(len(levels)), sizes)
    container.add_initializer(places, TensorProto.INT64, [sum(sizes)], of_column)
    flat = np.concatenate(levels).astype(np.float32)
    container.add_initializer(codes, TensorProto.FLOAT, [1, sum(sizes)], flat)
    container.add_node("Gather", [x, places], repeated, name=_node(scope, "Gather"), axis=1)
    container.add_node("Equal", [repeated, codes], equal, name=_node(scope, "Equal"), op_version=19)
    apply_cast(scope, equal, operator.outputs[0].full_name, container, to=TensorProto.FLOAT)


def _names(scope: Any, *wanted: str) -> list[str]:
    return [scope.get_unique_variable_name(name) for name in wanted]


def _node(scope: Any, kind: str) -> str:
    name: str = scope.get_unique_operator_name(kind)
    return name


def _joined_inputs(scope: Any, operator: Any, container: Any) -> str:
    from skl2onnx.common._apply_operation import apply_concat

    (x,) = _names(scope, "x")
    apply_concat(scope, [value.full_name for value in operator.inputs], x, container, axis=1)
    return x


def target_encoder_shape(operator: Any) -> None:
    """One output column for each encoded column and, of three classes or more, each class."""
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([None, len(operator.raw_operator.encodings_)])


def target_encoder(scope: Any, operator: Any, container: Any) -> None:
    """A lookup for each column and class; a code that was not seen becomes the target's mean."""
    from skl2onnx.common._apply_operation import apply_concat

    encoder = operator.raw_operator
    means = np.atleast_1d(encoder.target_mean_)
    x = _joined_inputs(scope, operator, container)
    encoded = []
    for i, encoding in enumerate(encoder.encodings_):  # column by column, its classes side by side
        column, mean = i // len(means), float(means[i % len(means)])
        codes = encoder.categories_[column].astype(np.float32)
        encoded.append(_lookup(scope, container, (x, column), codes, encoding, mean))
    apply_concat(scope, encoded, operator.outputs[0].full_name, container, axis=1)


def _lookup(
    scope: Any, container: Any, source: tuple[str, int], codes: Any, values: Any, default: float
) -> str:
    """Add the nodes that look a column's codes up; returns the name of the result."""
    from onnx import TensorProto

    x, place = source
    column, index, encoded = _names(scope, "column", "index", "encoded")
    container.add_initializer(index, TensorProto.INT64, [1], [place])
    container.add_node("Gather", [x, index], column, name=_node(scope, "Gather"), axis=1)
    container.add_node(
        "LabelEncoder",
        [column],
        encoded,
        op_domain="ai.onnx.ml",
        op_version=2,
        name=_node(scope, "LabelEncoder"),
        keys_floats=codes,
        values_floats=values.astype(np.float32),
        default_float=default,
    )
    return encoded


def to_onnx(model: Any, contract: Contract) -> bytes:
    """The fitted pipeline as ONNX, float32 in and out.

    x (n, k) → `probabilities` (n, classes), or `value` (n, 1) of a regression.
    """
    converted = _converted(model, contract)
    graph = converted.graph
    output, name = (graph.output[-1], "probabilities" if contract.is_classification else "value")
    _rename(graph, output.name, name)
    del graph.output[:-1]
    graph.output[0].name = name
    return bytes(converted.SerializeToString())


def _converted(model: Any, contract: Contract) -> Any:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.preprocessing import OneHotEncoder, TargetEncoder

    width = len(Encoder(contract).features)
    shapes = {OneHotEncoder: one_hot_shape, TargetEncoder: target_encoder_shape}
    # the converter hands booleans to protobuf where integers are due
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return convert_sklearn(
            model,
            initial_types=[("x", FloatTensorType([None, width]))],
            target_opset=OPSET,
            options={id(model): {"zipmap": False}} if contract.is_classification else None,
            custom_conversion_functions={OneHotEncoder: one_hot, TargetEncoder: target_encoder},
            custom_shape_calculators=shapes,
        )


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
        _round_constants(step)
        _round_thresholds(step)
    return model


def _fitted_parts(model: Any) -> list[Any]:
    if hasattr(model, "steps"):
        return [part for _, step in model.steps for part in _fitted_parts(step)]
    if hasattr(model, "transformers_"):
        return [part for _, step, _ in model.transformers_ for part in _fitted_parts(step)]
    return [model]


def _round_constants(step: Any) -> None:
    """Means, medians and target encodings, to nearest."""
    for name in ("mean_", "statistics_"):
        if getattr(step, name, None) is not None:
            setattr(step, name, _nearest32(getattr(step, name)))
    if hasattr(step, "encodings_"):
        step.encodings_ = [_nearest32(encoding) for encoding in step.encodings_]
        step.target_mean_ = np.float32(step.target_mean_).astype(np.float64)


def _round_thresholds(step: Any) -> None:
    """Where trees split, down."""
    for trees in getattr(step, "_predictors", []):  # histogram gradient boosting
        for tree in trees:
            tree.nodes["num_threshold"] = _floor32(tree.nodes["num_threshold"])
    for tree in getattr(step, "estimators_", []):  # forests
        tree.tree_.threshold[:] = _floor32(tree.tree_.threshold)


def _nearest32(values: Any) -> Any:
    return values.astype(np.float32).astype(np.float64)


def _floor32(values: Any) -> Any:
    down = values.astype(np.float32)
    return np.where(down > values, np.nextafter(down, np.float32(-np.inf)), down).astype(np.float64)

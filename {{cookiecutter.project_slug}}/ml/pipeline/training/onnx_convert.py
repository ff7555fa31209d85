"""A fitted scikit-learn pipeline as ONNX that computes the very same thing.

Two encoders have converters of our own, where skl2onnx 1.20 falls short: it refuses target encoding
for three classes or more, and writes one-hot encoding as three nodes for each column (in the answer
to a single row each node costs as much as the trees).
"""

from __future__ import annotations

import warnings
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.contract import Contract
from ml.encode import Encoder
from ml.pipeline.training import lightgbm_onnx
from ml.pipeline.training.lightgbm_onnx import floor32

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ml.encode import Matrix

OPSET = 21  # the newest that skl2onnx 1.20 writes
OPSET_ML = 3  # likewise, of the domain with trees
IR_VERSION = 10  # of the file format, as it belongs to that opset


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

    places, codes = _one_hot_columns(operator.raw_operator.categories_)
    n = len(codes)
    x = _joined_inputs(scope, operator, container)
    index = _constant(scope, container, "places", TensorProto.INT64, [n], places)
    expected = _constant(scope, container, "codes", TensorProto.FLOAT, [1, n], codes)
    repeated = _node(scope, container, "Gather", [x, index], "repeated", axis=1)
    equal = _node(scope, container, "Equal", [repeated, expected], "equal", op_version=19)
    apply_cast(scope, equal, operator.outputs[0].full_name, container, to=TensorProto.FLOAT)


def _one_hot_columns(levels: Sequence[NDArray[Any]]) -> tuple[NDArray[np.int64], Matrix]:
    """Of each output column: the input column that it reads and the code that it stands for."""
    places = np.repeat(np.arange(len(levels)), [len(codes) for codes in levels])
    return places, np.concatenate(levels).astype(np.float32)


def _constant(
    scope: Any, container: Any, name: str, kind: int, shape: list[int], values: Any
) -> str:
    """Add a constant tensor; its name in the graph."""
    unique: str = scope.get_unique_variable_name(name)
    container.add_initializer(unique, kind, shape, values)
    return unique


def _node(
    scope: Any, container: Any, kind: str, inputs: list[str], output: str, **attributes: Any
) -> str:
    """Add a node with one output; the output's name in the graph."""
    unique: str = scope.get_unique_variable_name(output)
    name = scope.get_unique_operator_name(kind)
    container.add_node(kind, inputs, unique, name=name, **attributes)
    return unique


def _joined_inputs(scope: Any, operator: Any, container: Any) -> str:
    """Join an operator's inputs side by side; the name of the result."""
    from skl2onnx.common._apply_operation import apply_concat

    x: str = scope.get_unique_variable_name("x")
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
    x = _joined_inputs(scope, operator, container)
    encoded = [_lookup(scope, container, x, encoder, i) for i in range(len(encoder.encodings_))]
    apply_concat(scope, encoded, operator.outputs[0].full_name, container, axis=1)


def _lookup(scope: Any, container: Any, x: str, encoder: Any, i: int) -> str:
    """Look a column's codes up in the encoder's i-th encoding; the name of the result.

    The encodings stand column by column, the classes of a column side by side.
    """
    means = np.atleast_1d(encoder.target_mean_)
    place, of_class = divmod(i, len(means))
    return _node(
        scope,
        container,
        "LabelEncoder",
        [_column(scope, container, x, place)],
        "encoded",
        op_domain="ai.onnx.ml",
        op_version=2,
        keys_floats=encoder.categories_[place].astype(np.float32),
        values_floats=encoder.encodings_[i].astype(np.float32),
        default_float=float(means[of_class]),
    )


def _column(scope: Any, container: Any, x: str, place: int) -> str:
    """Take one column out of x; the name of the result."""
    from onnx import TensorProto

    index = _constant(scope, container, "index", TensorProto.INT64, [1], [place])
    return _node(scope, container, "Gather", [x, index], "column", axis=1)


def constant_onnx(answer: NDArray[np.float64], contract: Contract) -> bytes:
    """A model whose answer (m,) is the same for every row, as ONNX like that of `to_onnx`."""
    from onnx import TensorProto, helper, numpy_helper

    width = len(Encoder(contract).features)
    name = _output_name(contract)
    nodes = [
        helper.make_node("Shape", ["x"], ["rows"], start=0, end=1),
        helper.make_node("Concat", ["rows", "one"], ["shape"], axis=0),
        helper.make_node("Expand", ["answer", "shape"], [name]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1], dtype=np.int64), "one"),
        numpy_helper.from_array(answer[None].astype(np.float32), "answer"),
    ]
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, len(answer)])],
        constants,
    )
    opset = [helper.make_opsetid("", OPSET)]
    return bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION).SerializeToString()
    )


def _output_name(contract: Contract) -> str:
    return "probabilities" if contract.is_classification else "value"


def to_onnx(model: Any, contract: Contract) -> bytes:
    """The fitted pipeline as ONNX, float32 in and out.

    x (n, k) → `probabilities` (n, classes), or `value` (n, 1) of a regression.
    """
    converted = _converted(model, contract)
    _keep_last_output(converted.graph, _output_name(contract))
    _sort_opsets(converted)
    return bytes(converted.SerializeToString())


def _sort_opsets(model: Any) -> None:
    """Name the operator sets in the order of their domains; by default a set's order decides."""
    imports = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(imports)


def _converted(model: Any, contract: Contract) -> Any:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    if any(hasattr(part, "booster_") for part in _fitted_parts(model)):
        lightgbm_onnx.register()
    width = len(Encoder(contract).features)
    # the converter hands booleans to protobuf where integers are due
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return convert_sklearn(
            model,
            name="model",  # by default a random one, and no two files would be equal
            initial_types=[("x", FloatTensorType([None, width]))],
            target_opset={"": OPSET, "ai.onnx.ml": OPSET_ML},
            options={id(model): {"zipmap": False}} if contract.is_classification else None,
            **_own_converters(),
        )


def _own_converters() -> dict[str, dict[type, Any]]:
    """This module's converters, as arguments of `convert_sklearn`."""
    from sklearn.preprocessing import OneHotEncoder, TargetEncoder

    return {
        "custom_conversion_functions": {OneHotEncoder: one_hot, TargetEncoder: target_encoder},
        "custom_shape_calculators": {
            OneHotEncoder: one_hot_shape,
            TargetEncoder: target_encoder_shape,
        },
    }


def _keep_last_output(graph: Any, name: str) -> None:
    """Remove all outputs of a graph but the last, and give that one a name."""
    _rename(graph, graph.output[-1].name, name)
    del graph.output[:-1]
    graph.output[0].name = name


def _rename(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


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
        if hasattr(step, "booster_"):
            lightgbm_onnx.round_booster(step)
    return model


def _fitted_parts(model: Any) -> list[Any]:
    """The estimators of a Pipeline, a ColumnTransformer or a stack of them, at any depth."""
    if hasattr(model, "final_estimator_"):
        stacked = [*model.estimators_, model.final_estimator_]
        return [part for each in stacked for part in _fitted_parts(each)]
    steps = getattr(model, "steps", None) or getattr(model, "transformers_", None)
    return [model] if steps is None else [part for step in steps for part in _fitted_parts(step[1])]


def _round_constants(step: Any) -> None:
    """Means, medians and target encodings, to nearest."""
    for name in ("mean_", "statistics_", "target_mean_"):
        if getattr(step, name, None) is not None:
            setattr(step, name, _nearest32(getattr(step, name)))
    if hasattr(step, "encodings_"):
        step.encodings_ = [_nearest32(encoding) for encoding in step.encodings_]


def _round_thresholds(step: Any) -> None:
    """Where trees split, down."""
    for thresholds in _thresholds(step):
        thresholds[:] = floor32(thresholds)


def _thresholds(step: Any) -> Iterator[Any]:
    """The arrays that hold them, to write into."""
    for tree in chain.from_iterable(getattr(step, "_predictors", [])):  # gradient boosting
        yield tree.nodes["num_threshold"]
    for tree in getattr(step, "estimators_", []):  # forests
        yield tree.tree_.threshold


def _nearest32(values: Any) -> Any:
    return np.float32(values).astype(np.float64)

"""ONNX for two encoders where skl2onnx 1.20 falls short.

It refuses target encoding for three classes or more, and writes one-hot encoding as three nodes for each column: in
the answer to a single row each node costs as much as the trees.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def one_hot_shape(operator: Any) -> None:
    """One output column for each level of each column."""
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([None, sum(map(len, operator.raw_operator.categories_))])


def one_hot(scope: Any, operator: Any, container: Any) -> None:
    """Each column repeated once for each of its levels, and compared with them; of an unknown code none is equal."""
    from onnx import TensorProto
    from skl2onnx.common._apply_operation import apply_cast, apply_concat

    levels = operator.raw_operator.categories_
    x, repeated = scope.get_unique_variable_name("x"), scope.get_unique_variable_name("repeated")
    places, codes = scope.get_unique_variable_name("places"), scope.get_unique_variable_name("codes")
    equal = scope.get_unique_variable_name("equal")
    width = sum(map(len, levels))
    container.add_initializer(
        places, TensorProto.INT64, [width], np.repeat(np.arange(len(levels)), list(map(len, levels)))
    )
    container.add_initializer(codes, TensorProto.FLOAT, [1, width], np.concatenate(levels).astype(np.float32))
    apply_concat(scope, [value.full_name for value in operator.inputs], x, container, axis=1)
    container.add_node("Gather", [x, places], repeated, name=scope.get_unique_operator_name("Gather"), axis=1)
    container.add_node("Equal", [repeated, codes], equal, name=scope.get_unique_operator_name("Equal"), op_version=19)
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
    for i, encoding in enumerate(encoder.encodings_):  # column by column, its classes beside each other
        column, index = scope.get_unique_variable_name("column"), scope.get_unique_variable_name("index")
        container.add_initializer(index, TensorProto.INT64, [1], [i // len(means)])
        container.add_node("Gather", [x, index], column, name=scope.get_unique_operator_name("Gather"), axis=1)
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

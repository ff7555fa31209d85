"""LightGBM's estimators as ONNX that computes the very same thing.

onnxmltools converts them and rounds their thresholds to the nearest float32; here the fitted model
is changed before, so that both forms split alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# bits of a split's decision type in LightGBM's text
LEFT = 2  # missing values go left
MISSING = 12  # 0: none were seen, and one is read as 0; 4: zeros are missing; 8: NaN is
NAN = 8


def register() -> None:
    """Let scikit-learn's converter call that of onnxmltools."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    from ml.early_stopping import StoppingClassifier, StoppingRegressor

    options = {"zipmap": [True, False], "nocl": [True, False]}
    classify, estimate = (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )
    for estimator, shapes, known in (
        (LGBMClassifier, classify, options),
        (StoppingClassifier, classify, options),
        (LGBMRegressor, estimate, None),
        (StoppingRegressor, estimate, None),
    ):
        update_registered_converter(
            estimator, estimator.__name__, shapes, convert_lightgbm, options=known
        )


def round_booster(estimator: Any) -> None:
    """Round a fitted estimator's thresholds down to float32, and say where missing values go.

    A split of a column that lacked nothing in training reads a missing value as 0, which ONNX
    cannot say: such a split becomes one that sends missing values where 0 goes. The model's text is
    the only form in which it can be changed.
    """
    import lightgbm

    text = estimator.booster_.model_to_string()
    lines, thresholds = [], np.empty(0)
    for line in text.split("\n"):
        name, _, values = line.partition("=")
        if name == "threshold":
            thresholds = floor32(np.array(values.split(), dtype=np.float64))
            lines.append(f"{name}={' '.join(map(repr, thresholds.tolist()))}")
        elif name == "decision_type":  # stands after the tree's thresholds
            lines.append(f"{name}={_explicit(values, thresholds)}")
        elif name != "tree_sizes":  # in bytes, of the text before; optional
            lines.append(line)
    estimator._Booster = lightgbm.Booster(model_str="\n".join(lines))


def _explicit(decisions: str, thresholds: NDArray[np.float64]) -> str:
    """Decision types in which NaN is missing wherever none was seen."""
    bits = np.array(decisions.split(), dtype=np.int64)
    zero_goes_left = np.where(thresholds >= 0, LEFT, 0)
    explicit = (bits & ~LEFT) | zero_goes_left | NAN
    return " ".join(map(str, np.where(bits & MISSING, bits, explicit).tolist()))


def floor32(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest float32 numbers that are not above the values, as float64."""
    down = values.astype(np.float32)
    lower = np.nextafter(down, np.float32(-np.inf))
    return np.where(down > values, lower, down).astype(np.float64)

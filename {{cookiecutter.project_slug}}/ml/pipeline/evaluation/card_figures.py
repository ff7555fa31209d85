"""The figures of the model card that no other file of metrics/ has: most of metrics/card.json."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from ml.pipeline.evaluation.calibration import calibration
from ml.pipeline.evaluation.data_facts import data_facts
from ml.pipeline.evaluation.dependence import dependence
from ml.statistics.influence import intervals

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.bundle import Answer
    from ml.contract import Contract
    from ml.encode import Matrix
    from ml.pipeline.evaluation.importance import Importance


class HeldOut(NamedTuple):
    """The rows that a model is measured on."""

    frame: pd.DataFrame  # typed
    x: Matrix  # the same, encoded
    y: NDArray[Any]  # their outcomes, as codes or values


def card_figures(
    held_out: HeldOut,
    answers: dict[str, NDArray[Any]],
    model: Answer,
    contract: Contract,
    weights: dict[str, Importance],
) -> dict[str, Any]:
    """Data, intervals, calibration, importance and dependence; null where a figure has no value.

    Args:
        held_out: the rows.
        answers: of each estimator to them, by its name in metrics/.
        model: the one that is described.
        contract: of the rows.
        weights: importance by column, highest first.
    """
    frame, x, y = held_out
    task = contract.target.task
    figures: dict[str, Any] = _finite(
        {
            "data": data_facts(frame, contract),
            "intervals": {name: intervals(y, answer, task) for name, answer in answers.items()},
            "calibration": calibration(y, answers["model"]),
            "importance": [{"column": name, **of._asdict()} for name, of in weights.items()],
            "dependence": dependence(model, x, contract, weights),
        }
    )
    return figures


def _finite(values: Any) -> Any:
    """The same with null for each number that JSON does not have."""
    if isinstance(values, dict):
        return {name: _finite(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values

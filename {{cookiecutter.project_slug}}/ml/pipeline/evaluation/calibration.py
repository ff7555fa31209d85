"""What was predicted beside what happened, in groups of equal size of the predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.statistics.influence import Z, standard_error
from ml.statistics.proportions import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BINS = 10


def calibration(y: NDArray[Any], answer: Floats) -> dict[str, Any]:
    """Mean prediction, mean outcome and its 95 % interval for each tenth of the rows.

    Of two classes the prediction is the probability of the last, of more the probability of the
    class that is answered, of numbers the value. `error` is the mean distance between the two, by
    rows (Naeini 2015), in units of the prediction.
    """
    predicted, happened = _prediction_and_outcome(y, answer)
    order = np.argsort(predicted, kind="stable")
    bins = [rows for rows in np.array_split(order, BINS) if len(rows)]
    is_share = answer.shape[1] > 1
    groups = [_group(predicted[rows], happened[rows], is_share=is_share) for rows in bins]
    distance = [abs(group["predicted"] - group["observed"]) for group in groups]
    error = float(np.average(distance, weights=[group["rows"] for group in groups]))
    return {"error": error, "groups": groups}


def _prediction_and_outcome(y: NDArray[Any], answer: Floats) -> tuple[Floats, Floats]:
    if answer.shape[1] == 1:
        return answer[:, 0], y
    if answer.shape[1] == 2:
        return answer[:, 1], np.asarray(y == 1, dtype=np.float64)
    return answer.max(axis=1), np.asarray(answer.argmax(axis=1) == y, dtype=np.float64)


def _group(predicted: Floats, happened: Floats, *, is_share: bool) -> dict[str, Any]:
    mean = float(happened.mean())
    if is_share:
        low, high = wilson(int(happened.sum()), len(happened))
    else:
        reach = Z * standard_error(happened) if len(happened) > 1 else 0.0
        low, high = mean - reach, mean + reach
    return {
        "rows": len(happened),
        "predicted": float(predicted.mean()),
        "observed": mean,
        "low": low,
        "high": high,
    }

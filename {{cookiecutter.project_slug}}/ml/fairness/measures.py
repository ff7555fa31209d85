"""What is compared between groups, row by row: each figure is a mean of values over some rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ml.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Contract

    Floats = NDArray[np.float64]

SELECTION, TRUE_POSITIVE = "selection_rate", "true_positive_rate"
FALSE_POSITIVE, CALIBRATION, ERROR = "false_positive_rate", "calibration", "error"


class Measure(NamedTuple):
    """One figure, row by row.

    Args:
        name: of the figure.
        values: of each row, (n,); the figure is their mean.
        counts: which rows it is of, (n,).
        is_share: whether the values are 0 and 1.
    """

    name: str
    values: Floats
    counts: NDArray[np.bool_]
    is_share: bool


def measures(
    y: NDArray[Any], answer: Floats, contract: Contract, positive: str | None
) -> list[Measure]:
    """The figures that the task has.

    Of a class: how often it is answered (selection rate), among rows of the class (true positive
    rate) and among others (false positive rate), and its mean probability less its share
    (calibration). Of all classes: how often the answer is wrong. Of a number: the size of the error
    and the error (predicted less true), in standard deviations of the outcome.

    Args:
        y: class codes or values, (n,); NaN or -1 where the outcome is not known.
        answer: probabilities (n, k) or values (n, 1).
        contract: of the rows.
        positive: the class that is looked at; None: the last of two, of more no class.

    Raises:
        UserError: the target has no such class.
    """
    if not contract.is_classification:
        return _of_numbers(np.asarray(y, dtype=np.float64), answer[:, 0])
    known = np.asarray(y >= 0)
    answered = answer.argmax(axis=1)
    code = positive_code(contract, positive)
    wrong = Measure(ERROR, _floats(answered != y), known, True)
    if code is None:
        sure = Measure(CALIBRATION, answer.max(axis=1) - (answered == y), known, False)
        return [sure, wrong]
    selected, is_positive = _floats(answered == code), np.asarray(y == code)
    return [
        Measure(SELECTION, selected, np.ones(len(selected), dtype=bool), True),
        Measure(TRUE_POSITIVE, selected, known & is_positive, True),
        Measure(FALSE_POSITIVE, selected, known & ~is_positive, True),
        Measure(CALIBRATION, answer[:, code] - is_positive, known, False),
        wrong,
    ]


def positive_code(contract: Contract, positive: str | None) -> int | None:
    """The code of the class that is looked at; None: no class is.

    Raises:
        UserError: the target has no such class.
    """
    classes = contract.target.classes
    if positive is None:
        return 1 if len(classes) == 2 else None
    if positive not in classes:
        raise UserError(
            f'params.yaml: fairness.positive: "{positive}" is no class of the target',
            f"one of {', '.join(classes)}" if classes else "null: the target is a number",
        )
    return classes.index(positive)


def _of_numbers(y: Floats, value: Floats) -> list[Measure]:
    known = ~np.isnan(y)
    scale = float(y[known].std()) or 1.0 if known.any() else 1.0
    off = (value - y) / scale
    return [
        Measure(CALIBRATION, off, known, False),
        Measure(ERROR, np.abs(off), known, False),
    ]


def _floats(values: NDArray[Any]) -> Floats:
    return np.asarray(values, dtype=np.float64)

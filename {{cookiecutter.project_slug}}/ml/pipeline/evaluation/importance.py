"""Permutation importance: what the metric loses when a column's values are shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ml.encode import Encoder
from ml.metrics import measure
from ml.statistics.influence import Z, influence, standard_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.bundle import Answer
    from ml.contract import Contract
    from ml.encode import Matrix

    Floats = NDArray[np.float64]

ROWS = 2000  # importance settles long before
SHUFFLES = 3  # of each column; its importance is their mean
ANSWERS = 1_000_000  # of the model for all columns together: some seconds
LEAST_ROWS = 300


class Importance(NamedTuple):
    """What a column is worth to the model, in units of the metric, with its 95 % interval."""

    loss: float
    low: float
    high: float


class _Scored(NamedTuple):
    """A metric on n rows: its value, and what each row adds to it."""

    value: float
    influences: Floats


def importance(
    model: Answer, x: Matrix, y: NDArray[Any], contract: Contract, metric: str
) -> dict[str, Importance]:
    """Loss of the metric when a column's values are shuffled, highest first (Breiman 2001).

    All parts of one column of the contract are shuffled together; mean of three shuffles (of one,
    on fewer rows, where a table is wide), in units of the metric. The interval is of the rows that
    happened to be held out, by the influence of each on the difference of the two metrics.
    """
    rng = np.random.default_rng(0)
    places = places_of(contract)
    n, shuffles = _effort(len(places), len(contract.target.classes))
    rows = rng.permutation(len(y))[:n]
    x, y = x[rows], y[rows]

    def scored(values: Matrix) -> _Scored:
        answer = model(values)
        return _Scored(measure(metric, y, answer), influence(metric, y, answer))

    unshuffled = scored(x)
    nothing = Importance(0.0, 0.0, 0.0)  # a column that is not in the matrix
    losses = {
        name: _loss(unshuffled, [scored(_shuffled(x, columns, rng)) for _ in range(shuffles)])
        if columns
        else nothing
        for name, columns in places.items()
    }
    return dict(sorted(losses.items(), key=lambda item: -item[1].loss))


def places_of(contract: Contract) -> dict[str, list[int]]:
    """Where each column of the contract lies in the encoded matrix; an empty list: nowhere."""
    features = Encoder(contract).features
    return {
        name: [i for i, feature in enumerate(features) if feature.column == name]
        for name in contract.names
    }


def _effort(columns: int, classes: int) -> tuple[int, int]:
    """Rows and shuffles of each column: wide tables and many classes get fewer of both."""
    answers = ANSWERS // max(1, classes - 1)  # trees grow with the classes
    if columns * ROWS * SHUFFLES <= answers:
        return ROWS, SHUFFLES
    affordable = answers // columns
    return min(ROWS, max(LEAST_ROWS, affordable)), 1


def _loss(unshuffled: _Scored, shuffled: list[_Scored]) -> Importance:
    loss = unshuffled.value - float(np.mean([each.value for each in shuffled]))
    moved = unshuffled.influences - np.mean([each.influences for each in shuffled], axis=0)
    reach = Z * standard_error(moved)
    return Importance(loss, loss - reach, loss + reach)


def _shuffled(x: Matrix, places: list[int], rng: np.random.Generator) -> Matrix:
    shuffled = x.copy()
    shuffled[:, places] = x[rng.permutation(len(x))][:, places]
    return shuffled

"""Which kind of model suits the data: `train.model: auto`.

Every kind is cross-validated on the training rows alone, in order of time where the contract names
one. The simplest kind is taken whose score is within one standard error of the best one's (Breiman
et al. 1984): boosting needs many rows, or relations that bend, to beat a linear model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ml.metrics import GATE, answers, measure, resample
from ml.model import make_model
from ml.pipeline.training.search import folds_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.encode import Matrix
    from ml.params import Train

Kind = Literal["linear", "boosting", "forest"]
KINDS: tuple[Kind, ...] = ("linear", "boosting", "forest")  # the simplest to serve and read first
# rows that are cross-validated: all of a small table, a third of a larger one, so that the
# comparison takes no longer than the boosting that it may save
ALL_ROWS = 2000
MOST_ROWS = 10_000
RESAMPLES = 100
# values to fit, once for each class, beyond which one fold is held out instead of three
ONE_FOLD_VALUES = 1_000_000


def choose(x: Matrix, y: NDArray[Any], contract: Contract, params: Train) -> dict[str, Any]:
    """Cross-validate every kind of model and choose one.

    Args:
        x: (n, k) encoded training rows, in order of time where the contract names one.
        y: (n,) class codes or values.
        contract: what a row is.
        params: the settings of each kind.

    Returns:
        `chosen`; `metric`, `rows`; and for each of the `candidates`, by its kind, its `score`, how
        far it is `behind` the best, and the `standard_error` of that distance.
    """
    rows = _rows_to_compare(len(y), contract, params.seed)
    x, y = x[rows], y[rows]
    answered = {kind: _out_of_fold(kind, x, y, contract, params) for kind in KINDS}
    judged = ~np.isnan(answered[KINDS[0]][:, 0])
    metric = GATE[contract.target.task]
    compared = _compare({k: a[judged] for k, a in answered.items()}, y[judged], metric)
    return {
        "chosen": _simplest(compared),
        "metric": metric,
        "rows": int(judged.sum()),
        "candidates": compared,
    }


def _rows_to_compare(n: int, contract: Contract, seed: int) -> NDArray[np.int64]:
    """Places of the rows, in order: the latest where there is a time, else drawn."""
    wanted = min(n, MOST_ROWS, max(ALL_ROWS, n // 3))
    if contract.time:
        return np.arange(n - wanted, n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:wanted])


def _out_of_fold(
    kind: Kind, x: Matrix, y: NDArray[Any], contract: Contract, params: Train
) -> NDArray[np.float64]:
    """Answers to rows that the model was not fitted on; NaN where no fold holds a row out."""
    model = make_model(contract, params.model_copy(update={"model": kind}))
    answered = np.full((len(y), max(1, len(contract.target.classes))), np.nan)
    for fitted_on, held_out in _folds(x, y, contract, params.seed):
        model.fit(x[fitted_on], y[fitted_on])
        columns = _class_columns(model, contract)
        answered[held_out] = 0.0
        answered[np.ix_(held_out, np.array(columns))] = answers(model, x[held_out], contract)
    return answered


def _folds(
    x: Matrix, y: NDArray[Any], contract: Contract, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to fit on and rows to judge; of wide tables and many classes the last fold alone."""
    every = list(folds_of(contract, seed).split(x, y))
    values = x.size * max(1, len(contract.target.classes) - 1)
    return every[-1:] if values > ONE_FOLD_VALUES else every


def _class_columns(model: Any, contract: Contract) -> list[int]:
    """Columns of the answer that a model fills: a fold may lack a rare class."""
    return list(map(int, model.classes_)) if contract.is_classification else [0]


def _compare(
    answered: dict[Kind, NDArray[np.float64]], y: NDArray[Any], metric: str
) -> dict[Kind, dict[str, float]]:
    scores = {kind: measure(metric, y, answer) for kind, answer in answered.items()}
    best = max(scores, key=lambda kind: np.nan_to_num(scores[kind], nan=-np.inf))
    return {
        kind: {
            "score": scores[kind],
            "behind": scores[best] - scores[kind],
            "standard_error": _distance_error(answered[best], answered[kind], y, metric),
        }
        for kind in answered
    }


def _distance_error(
    best: NDArray[np.float64], other: NDArray[np.float64], y: NDArray[Any], metric: str
) -> float:
    """Standard error of the difference of two scores on the same rows (paired bootstrap)."""

    def distance(rows: NDArray[np.int64]) -> float:
        return measure(metric, y[rows], best[rows]) - measure(metric, y[rows], other[rows])

    return 0.0 if best is other else float(np.nanstd(resample(len(y), distance, RESAMPLES)))


def _simplest(compared: dict[Kind, dict[str, float]]) -> Kind:
    near = (kind for kind, c in compared.items() if c["behind"] <= c["standard_error"])
    return next(near, "boosting")

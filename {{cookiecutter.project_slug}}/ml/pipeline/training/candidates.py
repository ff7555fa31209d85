"""Which kind of model suits the data: `train.model: auto`.

Every kind is cross-validated on the training rows alone, in order of time where the contract names
one. The simplest kind is taken whose score is within one standard error of the best one's (Breiman
et al. 1984): boosting needs many rows, or relations that bend, to beat a linear model.

Of larger tables the kinds race first: all are judged on one fold, the forest with half of its
trees, and a kind that is far behind there is not judged on the others (Maron and Moore 1994).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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

    Fold = tuple[NDArray[np.int64], NDArray[np.int64]]  # rows to fit on, rows to judge
    Answered = dict["Kind", NDArray[np.float64]]  # of each kind, (n, k); NaN: not judged
    Figures = dict[str, float]

Kind = Literal["linear", "boosting", "forest"]
KINDS: tuple[Kind, ...] = ("linear", "boosting", "forest")  # the simplest to serve and read first
# rows that are cross-validated: all of a small table, a third of a larger one, so that the
# comparison takes no longer than the boosting that it may save
ALL_ROWS = 2000
MOST_ROWS = 10_000
RESAMPLES = 100
# values to fit, once for each class, beyond which one fold is held out instead of three
ONE_FOLD_VALUES = 1_000_000
# a kind is out of the race that is so many standard errors behind the best: enough that neither the
# other folds nor the rest of a forest's trees (about one such error) make up for it
RACE_ERRORS = 4.0
RACE_TREES = 2  # a forest races with its trees divided by this


@dataclass(frozen=True)
class Comparison:
    """What the kinds of model are compared on."""

    x: Matrix
    y: NDArray[Any]
    contract: Contract
    params: Train

    @property
    def metric(self) -> str:
        """What is compared: the task's gate metric."""
        return GATE[self.contract.target.task]

    def folds(self) -> list[Fold]:
        """Rows to fit on and rows to judge; of wide tables and many classes one fold alone."""
        every = list(folds_of(self.contract, self.params.seed).split(self.x, self.y))
        values = self.x.size * max(1, len(self.contract.target.classes) - 1)
        return every[-1:] if values > ONE_FOLD_VALUES else every


def choose(x: Matrix, y: NDArray[Any], contract: Contract, params: Train) -> dict[str, Any]:
    """Compare every kind of model and choose one.

    Args:
        x: (n, k) encoded training rows, in order of time where the contract names one.
        y: (n,) class codes or values.
        contract: what a row is.
        params: the settings of each kind.

    Returns:
        `chosen`; `metric`; `rows` that judged the kinds left after the race; and for each of the
        `candidates`, by its kind, its `score`, how far it is `behind` the best, the
        `standard_error` of that distance, and whether it was `out_of_race`: then its figures are
        those of one fold.
    """
    rows = _rows_to_compare(len(y), contract, params.seed)
    on = Comparison(x[rows], y[rows], contract, params)
    folds = on.folds()
    raced = _race(on, folds[-1:]) if len(rows) > ALL_ROWS else {}
    out = {kind: c for kind, c in _compare(raced, on).items() if _is_far_behind(c)}
    left = [kind for kind in KINDS if kind not in out]
    answered = _without_rivals(left, raced) or {k: _on_all(k, on, folds, raced) for k in left}
    compared = _compare(answered, on)
    return {
        "chosen": _simplest(compared),
        "metric": on.metric,
        "rows": int(_is_judged(answered).sum()),
        "candidates": {
            kind: (compared | out)[kind] | {"out_of_race": kind in out} for kind in KINDS
        },
    }


def _rows_to_compare(n: int, contract: Contract, seed: int) -> NDArray[np.int64]:
    """Places of the rows, in order: the latest where there is a time, else drawn."""
    wanted = min(n, MOST_ROWS, max(ALL_ROWS, n // 3))
    if contract.time:
        return np.arange(n - wanted, n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:wanted])


def _race(on: Comparison, folds: list[Fold]) -> Answered:
    forest = on.params.forest
    trees = max(1, forest.n_estimators // RACE_TREES)
    few = on.params.model_copy(update={"forest": forest.model_copy(update={"n_estimators": trees})})
    return {kind: _out_of_fold(kind, replace(on, params=few), folds) for kind in KINDS}


def _on_all(kind: Kind, on: Comparison, folds: list[Fold], raced: Answered) -> NDArray[np.float64]:
    """Answers to the rows of all folds; those of the race are kept, but for its smaller forest."""
    if kind == "forest" or kind not in raced:
        return _out_of_fold(kind, on, folds)
    others = _out_of_fold(kind, on, folds[:-1])
    return np.where(np.isnan(others), raced[kind], others)


def _is_far_behind(figures: Figures) -> bool:
    return figures["behind"] > RACE_ERRORS * figures["standard_error"]


def _without_rivals(left: list[Kind], raced: Answered) -> Answered:
    """The race's answers of the one kind that is left; nothing where there is still a choice."""
    return {kind: raced[kind] for kind in left} if len(left) == 1 else {}


def _out_of_fold(kind: Kind, on: Comparison, folds: list[Fold]) -> NDArray[np.float64]:
    """Answers to rows that the model was not fitted on; NaN where no fold holds a row out."""
    x, y, contract = on.x, on.y, on.contract
    model = make_model(contract, on.params.model_copy(update={"model": kind}))
    answered = np.full((len(y), max(1, len(contract.target.classes))), np.nan)
    for fitted_on, held_out in folds:
        model.fit(x[fitted_on], y[fitted_on])
        columns = _class_columns(model, contract)
        answered[held_out] = 0.0
        answered[np.ix_(held_out, np.array(columns))] = answers(model, x[held_out], contract)
    return answered


def _class_columns(model: Any, contract: Contract) -> list[int]:
    """Columns of the answer that a model fills: a fold may lack a rare class."""
    return list(map(int, model.classes_)) if contract.is_classification else [0]


def _is_judged(answered: Answered) -> NDArray[np.bool_]:
    """Which rows a fold held out: the same for every kind, shape (n,)."""
    return ~np.isnan(next(iter(answered.values()))[:, 0])


def _compare(answered: Answered, on: Comparison) -> dict[Kind, Figures]:
    if not answered:
        return {}
    judged, metric = _is_judged(answered), on.metric
    y, of = on.y[judged], {kind: answer[judged] for kind, answer in answered.items()}
    scores = {kind: measure(metric, y, answer) for kind, answer in of.items()}
    best = max(scores, key=lambda kind: np.nan_to_num(scores[kind], nan=-np.inf))
    return {
        kind: {
            "score": scores[kind],
            "behind": scores[best] - scores[kind],
            "standard_error": _distance_error(of[best], of[kind], y, metric),
        }
        for kind in of
    }


def _distance_error(
    best: NDArray[np.float64], other: NDArray[np.float64], y: NDArray[Any], metric: str
) -> float:
    """Standard error of the difference of two scores on the same rows (paired bootstrap)."""

    def distance(rows: NDArray[np.int64]) -> float:
        return measure(metric, y[rows], best[rows]) - measure(metric, y[rows], other[rows])

    return 0.0 if best is other else float(np.nanstd(resample(len(y), distance, RESAMPLES)))


def _simplest(compared: dict[Kind, Figures]) -> Kind:
    near = (kind for kind, c in compared.items() if c["behind"] <= c["standard_error"])
    return next(near, "boosting")

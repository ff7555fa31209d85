"""Partial dependence: the mean answer when a column has one value in all rows (Friedman 2001)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.contract import Boolean, Categorical, Contract
from ml.pipeline.evaluation.importance import places_of
from ml.statistics.influence import Z, standard_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ml.bundle import Answer
    from ml.encode import Matrix

    Floats = NDArray[np.float64]

COLUMNS = 4  # those that matter most
ROWS = 200  # drawn once; the mean of so many answers is a point
POINTS = 12  # of a number, at quantiles that are equally far apart; of a category, levels


def dependence(
    model: Answer, x: Matrix, contract: Contract, ranked: Iterable[str]
) -> list[dict[str, Any]]:
    """The curves of the first columns of `ranked` that are one feature each.

    Each has `column`, `of` (what is answered: a class or the target) and `points`, each of which
    has `value`, `answer` (a mean over rows) and the ends of its 95 % interval.
    """
    places = places_of(contract)
    single = [name for name in ranked if len(places[name]) == 1][:COLUMNS]
    rows = x[np.random.default_rng(0).permutation(len(x))[:ROWS]]
    answered = _answered(model(rows), contract)
    return [
        {
            "column": name,
            "of": contract.target.classes[answered] if contract.target.classes else None,
            "points": _points(model, rows, x[:, places[name][0]], contract, name, answered),
        }
        for name in single
    ]


def _answered(answer: Floats, contract: Contract) -> int:
    """The column of the answers that is drawn: the last of two classes, of more the commonest."""
    if contract.target.task == "multiclass":
        return int(answer.mean(axis=0).argmax())
    return int(answer.shape[1]) - 1


def _points(
    model: Answer, rows: Matrix, values: Matrix, contract: Contract, name: str, answered: int
) -> list[dict[str, Any]]:
    place, grid = places_of(contract)[name][0], _grid(values, contract, name)
    asked = np.tile(rows, (len(grid), 1))
    asked[:, place] = np.repeat([code for _, code in grid], len(rows))
    answers = model(asked)[:, answered].reshape(len(grid), len(rows))
    return [
        {"value": value, "answer": float(of.mean())} | _ends(of)
        for (value, _), of in zip(grid, answers, strict=True)
    ]


def _ends(answers: Floats) -> dict[str, float]:
    mean, reach = float(answers.mean()), Z * standard_error(answers)
    return {"low": mean - reach, "high": mean + reach}


def _grid(values: Matrix, contract: Contract, name: str) -> list[tuple[Any, float]]:
    """Each value as people write it and as the matrix has it."""
    column = contract.get(name)
    if isinstance(column, Categorical):
        return [(level, float(code)) for code, level in enumerate(column.levels)][:POINTS]
    if isinstance(column, Boolean):
        return [("false", 0.0), ("true", 1.0)]
    known = values[~np.isnan(values)]
    if not len(known):
        return []
    steps = np.unique(np.quantile(known, np.linspace(0.02, 0.98, POINTS), method="nearest"))
    return [(float(step), float(step)) for step in steps]

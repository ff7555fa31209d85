"""Answers that treat groups alike, or not: two classes, one column of groups and a number."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.contract import Contract
from ml.params import Fairness, Params

CONTRACT = Contract.model_validate(
    {
        "target": {"name": "loan", "task": "binary", "classes": ["no", "yes"]},
        "columns": [
            {"kind": "categorical", "name": "group", "levels": ["a", "b", "c", "rare"]},
            {"kind": "boolean", "name": "member", "missing": True},
            {"kind": "integer", "name": "age"},
        ],
    }
)
REGRESSION = CONTRACT.model_copy(
    update={"target": CONTRACT.target.model_copy(update={"task": "regression", "classes": ()})}
)


class Loans(NamedTuple):
    """Rows, codes and answers."""

    frame: pd.DataFrame
    y: NDArray[np.int64]
    answer: NDArray[np.float64]


def loans(n: int = 3000, seed: int = 0, *, worse: float = 0.0) -> Loans:
    """Answers that are right by their own probability; those of group b lose `worse` of it."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c", "rare"], n, p=[0.5, 0.3, 0.195, 0.005])
    share = rng.beta(2, 2, n)
    y = (rng.random(n) < share).astype(np.int64)
    given = np.clip(share - worse * (group == "b"), 0.01, 0.99)
    frame = pd.DataFrame(
        {
            "group": group.astype(object),
            "member": np.array([True, False, None], dtype=object)[rng.integers(0, 3, n)],
            "age": rng.integers(18, 80, n).astype(float),
        }
    )
    return Loans(frame, y, np.c_[1 - given, given])


def settings(params: Params, **changes: Any) -> Fairness:
    """The settings with `group` and these changes; a tolerance is given by its figure's name."""
    figures = type(params.fairness.tolerance).model_fields
    tolerance = {name: value for name, value in changes.items() if name in figures}
    others = {name: value for name, value in changes.items() if name not in tolerance}
    stated = params.fairness.tolerance.model_copy(update=tolerance)
    return params.fairness.model_copy(
        update={"columns": ("group",), "tolerance": stated, "min_rows": 30, **others}
    )

"""LightGBM stops where more trees no longer help, and its models can be copied and made again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from ml.early_stopping import StoppingClassifier, StoppingRegressor, trees_to_keep


@pytest.mark.parametrize("kind", [StoppingClassifier, StoppingRegressor])
def test_it_stops_by_itself_and_the_same_again(kind: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 4)).astype(np.float32)
    y = x[:, 0] + rng.normal(size=2000)
    if kind is StoppingClassifier:
        y = (y > 0).astype(int)
    model = kind(n_estimators=500, random_state=7, verbose=-1)
    again = clone(model)
    trees = model.fit(x, y).booster_.num_trees()
    assert 0 < trees < 100
    (losses,) = model.evals_result_["valid_0"].values()
    assert trees_to_keep(losses) == model.best_iteration_
    assert trees_to_keep([*losses, 0.0]) == model.best_iteration_  # it had stopped before that
    np.testing.assert_array_equal(model.predict(x), again.fit(x, y).predict(x))

"""Trees as scikit-learn grows them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ml.adopt.small_tree import grow_and_ask


@pytest.mark.parametrize("columns", [1, 4])
@pytest.mark.parametrize("classes", [0, 2, 7])
def test_it_is_scikit_learns_tree(columns: int, classes: int) -> None:
    """Equal but for ties between splits, which scikit-learn draws."""
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (3000, columns))
    target = x.sum(axis=1) + rng.normal(0, 0.3, 3000)
    grown_on = rng.random(3000) < 0.5
    if classes:
        edges = np.quantile(target, np.linspace(0, 1, classes + 1)[1:-1])
        y = np.digitize(target, edges).astype(np.int64)
        tree = DecisionTreeClassifier(max_leaf_nodes=20, min_samples_leaf=5, random_state=0)
        expected = tree.fit(x[grown_on], y[grown_on]).predict_proba(x[~grown_on])
    else:
        y = target
        tree = DecisionTreeRegressor(max_leaf_nodes=20, min_samples_leaf=5, random_state=0)
        expected = tree.fit(x[grown_on], y[grown_on]).predict(x[~grown_on])[:, None]
    answer = grow_and_ask(x, y, grown_on, 20)
    assert (np.abs(answer.values - expected) < 1e-9).all(axis=1).mean() > 0.99
    np.testing.assert_allclose(answer.importances, tree.feature_importances_, atol=0.01)


def test_a_missing_number_is_a_side_of_its_own() -> None:
    rng = np.random.default_rng(1)
    x = np.where(rng.random(200) < 0.3, np.nan, rng.normal(0, 1, 200))[:, None]
    y = np.isnan(x[:, 0]).astype(np.int64)
    answer = grow_and_ask(x, y, rng.random(200) < 0.5, 2)
    assert set(answer.values[:, 1]) == {0.0, 1.0}
    assert answer.importances.tolist() == [1.0]


@pytest.mark.parametrize("y", [np.zeros(50, np.int64), np.full(50, 0.1), np.arange(50.0)])
def test_without_anything_to_split_it_answers_the_mean(y: np.ndarray) -> None:
    """One class, one value, or one number in all rows."""
    grown_on = np.arange(50) % 2 == 0
    answer = grow_and_ask(np.ones((50, 2)), y, grown_on, 8)
    expected = y[grown_on].mean() if y.dtype.kind == "f" else 1
    assert np.unique(answer.values).tolist() == [pytest.approx(expected)]
    assert answer.importances.tolist() == [0.0, 0.0]

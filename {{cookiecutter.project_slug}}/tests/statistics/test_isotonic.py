"""The curve is scikit-learn's, which is not imported to draw it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml.statistics.isotonic import RESOLUTION, isotonic, pooled

NEW = np.linspace(-0.5, 1.5, 41)


@settings(deadline=None)  # the first one imports scikit-learn
@given(
    scores=arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1)),
    seed=st.integers(0, 1000),
)
def test_the_curve_is_scikit_learns(scores: np.ndarray, seed: int) -> None:
    from sklearn.isotonic import IsotonicRegression

    positive = np.random.default_rng(seed).random(len(scores)) < 0.5
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, positive)
    new = np.concatenate([NEW, scores])
    np.testing.assert_allclose(isotonic(scores, positive)(new), theirs.predict(new), rtol=1e-12)


def test_scores_closer_than_the_resolution_count_as_one() -> None:
    """Neighbours are merged up to the resolution above the first of them, and no further."""
    close = 0.5 + np.arange(12) * RESOLUTION / 4
    positive = np.arange(12) % 2 == 0
    curve = isotonic(close, positive)
    assert curve(close[:1]) == curve(close[1:2])
    assert np.diff(curve(close)).min() >= 0


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        ([3.0, 2.0, 1.0], [2.0, 2.0, 2.0]),
        ([1.0, 3.0, 2.0, 2.0, 4.0], [1.0, 7 / 3, 7 / 3, 7 / 3, 4.0]),
        ([5.0], [5.0]),
    ],
)
def test_adjacent_violators_are_pooled(means: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(pooled(np.array(means), np.ones(len(means))), expected)


def test_a_pool_weighs_its_members() -> None:
    np.testing.assert_allclose(pooled(np.array([4.0, 1.0]), np.array([1.0, 2.0])), [2.0, 2.0])

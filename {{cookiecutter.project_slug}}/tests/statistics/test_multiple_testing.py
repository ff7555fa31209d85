"""Holm's weighted procedure, by hand."""

from __future__ import annotations

import numpy as np

from ml.statistics.multiple_testing import holm


def test_holm_steps_down_and_stops() -> None:
    p, even = np.array([0.001, 0.04, 0.012, 0.02]), np.ones(4)
    # by hand: 0.001 <= 0.05/4, 0.012 <= 0.05/3, 0.02 <= 0.05/2, 0.04 <= 0.05/1
    assert holm(p, even, 0.05).all()
    assert holm(np.array([0.001, 0.04, 0.03, 0.02]), even, 0.05).tolist() == [
        True,
        False,
        False,
        False,
    ]
    assert holm(np.array([0.009, 0.009]), np.array([9.0, 1.0]), 0.01).tolist() == [True, True]
    assert holm(np.array([0.02, 0.009]), np.array([9.0, 1.0]), 0.01).tolist() == [False, False]

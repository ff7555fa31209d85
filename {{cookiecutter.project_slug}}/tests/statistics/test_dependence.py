"""Variance inflation: what theory says of a series, and nothing for independent rows."""

from __future__ import annotations

import numpy as np
import pytest

from ml.statistics.dependence import INDEPENDENT, block_lengths, dependence, inflation


def test_ar1_inflation_is_what_theory_says() -> None:
    rng = np.random.default_rng(7)
    series = np.zeros(200_000)
    noise = rng.standard_normal(len(series))
    for i in range(1, len(series)):
        series[i] = 0.9 * series[i - 1] + noise[i]
    (found,) = inflation(series[:, None], np.array([512.0]))[0]
    assert found == pytest.approx((1 + 0.9) / (1 - 0.9), rel=0.2)


def test_independent_rows_are_left_alone_and_cycles_are_not() -> None:
    rng = np.random.default_rng(8)
    independent = rng.standard_normal((5000, 1))
    assert dependence(independent, np.zeros(5000, bool)) is INDEPENDENT
    cycle = np.sin(np.arange(5000) * 2 * np.pi / 1000)[:, None] + independent
    found = dependence(cycle, np.zeros(5000, bool))
    part, _, freedom = found.at(200)
    assert part.max() > 20  # a fifth of a day tells its hour, not the day
    assert freedom > 30
    assert len(block_lengths(20)) == 0

"""Tests of counts: each formula against a second source."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ml.statistics.cell_tests import chi_square, p_rates, stability_index
from ml.statistics.dependence import INDEPENDENT


def test_two_samples_give_scipys_chi_square() -> None:
    reference, window = np.array([400.0, 350.0, 250.0]), np.array([90.0, 60.0, 50.0])
    expected = stats.chi2_contingency(np.array([reference, window]), correction=False)
    test = chi_square(reference, window, np.array(200.0), INDEPENDENT.at(200))
    assert float(test.p_value) == pytest.approx(expected.pvalue, rel=1e-6)


def test_two_rates_give_the_conditional_binomial_test() -> None:
    for reference, window in ((40, 3), (0, 6), (25, 0), (50, 50)):
        chance, total = 200 / 1200, reference + window
        p_fewer = stats.binom.cdf(window, total, chance)
        p_more = stats.binom.sf(window - 1, total, chance)
        expected = min(1.0, 2 * min(p_fewer, p_more))
        p_two_sided = p_rates(
            reference, np.array(float(window)), 1000 - reference, np.array(200.0 - window)
        )
        assert float(p_two_sided) == pytest.approx(expected, rel=1e-6)


def test_the_index_is_the_sum_over_cells() -> None:
    reference, window = np.array([50.0, 30.0, 20.0]), np.array([30.0, 30.0, 40.0])
    r, w = reference / 100, window / 100
    assert float(stability_index(reference, window)) == pytest.approx(
        float(((w - r) * np.log(w / r)).sum())
    )

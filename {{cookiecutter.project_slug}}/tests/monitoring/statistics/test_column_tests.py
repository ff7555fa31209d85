"""The statistics: each formula against a second source, each test firing and staying quiet."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ml.monitoring.statistics.column_tests import Shift, cells, count_p, shift, stability_index
from ml.monitoring.statistics.multiple_testing import rejected
from ml.monitoring.statistics.profile import level_profile, number_profile, tally


def number(values: np.ndarray, now: np.ndarray) -> Shift:
    profile = number_profile("x", values, ordered=True)
    return shift(profile, tally(profile, now))


def levels(values: np.ndarray, now: np.ndarray, listed: int) -> Shift:
    profile = level_profile("x", values, listed, ordered=True)
    return shift(profile, tally(profile, now))


def fell(made: Shift) -> set[str]:
    (which,) = rejected([made], 0.01, 0.03)
    return {name for name, fell in zip(made.names, which, strict=True) if fell}


def test_cells_are_scipys_chi_square() -> None:
    before, now = np.array([400.0, 350.0, 250.0]), np.array([90.0, 60.0, 50.0])
    expected = stats.chi2_contingency(np.array([before, now]), correction=False)
    found = cells(before, now, np.array(200.0), 1.0, np.inf)
    assert float(found.p) == pytest.approx(expected.pvalue, rel=1e-6)


def test_count_p_is_the_conditional_binomial_test() -> None:
    for before, now in ((40, 3), (0, 6), (25, 0), (50, 50)):
        chance = 200 / 1200
        total = before + now
        low, high = stats.binom.cdf(now, total, chance), stats.binom.sf(now - 1, total, chance)
        expected = min(1.0, 2 * min(low, high))
        assert float(
            count_p(before, np.array(float(now)), 1000 - before, np.array(200.0 - now))
        ) == pytest.approx(expected, rel=1e-6)


def test_each_change_of_a_number_has_its_test() -> None:
    rng = np.random.default_rng(3)
    before, now = rng.lognormal(0, 1, 8000), rng.lognormal(0, 1, 1000)
    assert fell(number(before, now)) == set()
    assert "location" in fell(number(before, now * 1.6))
    assert "wider" in fell(number(before, now**1.5))
    assert "narrower" in fell(number(before, now**0.6))
    assert "missing" in fell(number(before, np.where(rng.random(1000) < 0.05, np.nan, now)))
    two_humps = np.exp(np.where(rng.random(1000) < 0.5, -1, 1) * np.abs(rng.normal(1, 0.1, 1000)))
    assert "shape" in fell(number(before, two_humps))


def test_each_change_of_levels_has_its_test() -> None:
    rng = np.random.default_rng(4)
    share = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    before, now = rng.choice(5, 8000, p=share), rng.choice(5, 1000, p=share)
    assert fell(levels(before, now, 5)) == set()
    assert "levels" in fell(levels(before, rng.choice(5, 1000, p=share[::-1]), 5))
    assert "level" in fell(levels(before, np.where(now == 3, 0, now), 5))
    assert "new_level" in fell(levels(before, np.where(rng.random(1000) < 0.02, 5, now), 5))
    assert "missing" in fell(levels(before, np.where(rng.random(1000) < 0.05, -1, now), 5))


def test_a_certain_but_tiny_shift_gets_no_ticket() -> None:
    rng = np.random.default_rng(5)
    made = number(rng.standard_normal(20_000), rng.standard_normal(100_000) + np.sqrt(0.005))
    assert made.p.min() < 1e-6
    assert fell(made) == set()


@pytest.mark.parametrize(
    "now", [np.full(300, np.nan), np.zeros(300), np.array([1.0]), np.array([])]
)
def test_odd_windows_give_probabilities(now: np.ndarray) -> None:
    rng = np.random.default_rng(6)
    for before in (rng.standard_normal(500), np.full(500, 3.0), np.full(500, np.nan)):
        made = number(before, now)
        assert ((made.p >= 0) & (made.p <= 1)).all()
        assert not np.isnan(made.effect).any()


def test_a_constant_reference_sees_another_constant() -> None:
    assert fell(number(np.full(500, 3.0), np.full(300, 3.0))) == set()
    assert fell(number(np.full(500, 3.0), np.full(300, 4.0))) != set()


def test_the_index_is_the_sum_over_cells() -> None:
    before, now = np.array([50.0, 30.0, 20.0]), np.array([30.0, 30.0, 40.0])
    p, q = before / 100, now / 100
    assert float(stability_index(before, now)) == pytest.approx(
        float(((q - p) * np.log(q / p)).sum())
    )


def test_windows_are_judged_alike_alone_or_together() -> None:
    rng = np.random.default_rng(9)
    profile = number_profile("x", rng.standard_normal(3000), ordered=False)
    windows = rng.standard_normal((5, 400))
    together = shift(profile, tally(profile, windows))
    for place, window in enumerate(windows):
        np.testing.assert_allclose(shift(profile, tally(profile, window)).p, together.p[place])

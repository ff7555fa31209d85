"""The tests of a column: each of them rejects its change and leaves healthy windows alone."""

from __future__ import annotations

import numpy as np
import pytest

from ml.statistics.column_tests import Shift, shift
from ml.statistics.multiple_testing import rejected
from ml.statistics.profile import level_profile, number_profile, tally


def number(reference: np.ndarray, window: np.ndarray) -> Shift:
    profile = number_profile("x", reference, ordered=True)
    return shift(profile, tally(profile, window))


def levels(reference: np.ndarray, window: np.ndarray, listed: int) -> Shift:
    profile = level_profile("x", reference, listed, ordered=True)
    return shift(profile, tally(profile, window))


def rejected_tests(tests: Shift) -> set[str]:
    (which,) = rejected([tests], 0.01, 0.03)
    return {name for name, is_rejected in zip(tests.names, which, strict=True) if is_rejected}


def test_each_change_of_a_number_has_its_test() -> None:
    rng = np.random.default_rng(3)
    reference, healthy = rng.lognormal(0, 1, 8000), rng.lognormal(0, 1, 1000)
    some_missing = np.where(rng.random(1000) < 0.05, np.nan, healthy)
    two_humps = np.exp(np.where(rng.random(1000) < 0.5, -1, 1) * np.abs(rng.normal(1, 0.1, 1000)))
    assert rejected_tests(number(reference, healthy)) == set()
    assert "location" in rejected_tests(number(reference, healthy * 1.6))
    assert "wider" in rejected_tests(number(reference, healthy**1.5))
    assert "narrower" in rejected_tests(number(reference, healthy**0.6))
    assert "missing" in rejected_tests(number(reference, some_missing))
    assert "shape" in rejected_tests(number(reference, two_humps))


def test_each_change_of_levels_has_its_test() -> None:
    rng = np.random.default_rng(4)
    share = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    reference, healthy = rng.choice(5, 8000, p=share), rng.choice(5, 1000, p=share)
    cases = {
        "levels": rng.choice(5, 1000, p=share[::-1]),
        "level": np.where(healthy == 3, 0, healthy),
        "new_level": np.where(rng.random(1000) < 0.02, 5, healthy),
        "missing": np.where(rng.random(1000) < 0.05, -1, healthy),
    }
    assert rejected_tests(levels(reference, healthy, 5)) == set()
    for test, window in cases.items():
        assert test in rejected_tests(levels(reference, window, 5))


def test_a_certain_but_tiny_shift_gets_no_ticket() -> None:
    rng = np.random.default_rng(5)
    tests = number(rng.standard_normal(20_000), rng.standard_normal(100_000) + np.sqrt(0.005))
    assert tests.p_values.min() < 1e-6
    assert rejected_tests(tests) == set()


@pytest.mark.parametrize(
    "window", [np.full(300, np.nan), np.zeros(300), np.array([1.0]), np.array([])]
)
def test_odd_windows_give_probabilities(window: np.ndarray) -> None:
    rng = np.random.default_rng(6)
    for reference in (rng.standard_normal(500), np.full(500, 3.0), np.full(500, np.nan)):
        tests = number(reference, window)
        assert ((tests.p_values >= 0) & (tests.p_values <= 1)).all()
        assert not np.isnan(tests.effect_sizes).any()


def test_a_constant_reference_sees_another_constant() -> None:
    assert rejected_tests(number(np.full(500, 3.0), np.full(300, 3.0))) == set()
    assert rejected_tests(number(np.full(500, 3.0), np.full(300, 4.0))) != set()


def test_windows_are_judged_alike_alone_or_together() -> None:
    rng = np.random.default_rng(9)
    profile = number_profile("x", rng.standard_normal(3000), ordered=False)
    windows = rng.standard_normal((5, 400))
    together = shift(profile, tally(profile, windows)).p_values
    for place, window in enumerate(windows):
        alone = shift(profile, tally(profile, window)).p_values
        np.testing.assert_allclose(alone, together[place])

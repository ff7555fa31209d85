"""What a test needs is what it takes: at that level it sees its shift as often as is aimed at."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ml.statistics.power import (
    AIM,
    NARROWER,
    PSI,
    ROWS,
    WIDER,
    required_alpha,
)

REFERENCE = 10**9  # as good as known


def test_at_its_level_a_test_reaches_its_aim() -> None:
    rng = np.random.default_rng(1)
    wider = (WIDER * rng.chisquare(ROWS, 100_000)) > stats.chi2.isf(
        required_alpha("wider", REFERENCE, 10, 10), ROWS
    )
    assert wider.mean() == pytest.approx(AIM["wider"], abs=0.005)
    moved = rng.normal((PSI * ROWS) ** 0.5, 1, 100_000) > stats.norm.isf(
        required_alpha("location", REFERENCE, 10, 10) / 2
    )
    assert moved.mean() == pytest.approx(AIM["location"], abs=0.005)
    levels = rng.noncentral_chisquare(11, PSI * ROWS, 100_000) > stats.chi2.isf(
        required_alpha("levels", REFERENCE, 12, 13), 11
    )
    assert levels.mean() == pytest.approx(AIM["levels"], abs=0.005)


def test_hard_tests_need_more_and_rules_next_to_nothing() -> None:
    needs = {
        name: required_alpha(name, 20_000, 2 if name == "two_levels" else 12, 12) for name in AIM
    }
    assert max(needs, key=needs.__getitem__) == "wider"
    assert required_alpha("new_level", 20_000, 12, 12) <= min(needs.values())
    assert required_alpha("levels", 20_000, 20, 21) > needs["levels"]
    assert required_alpha("wider", 500, 10, 10) > needs["wider"]  # a small reference sees less


@pytest.mark.parametrize("reference", [70, 344, 5000])
def test_the_levels_are_those_of_scipys_distributions(reference: int) -> None:
    """`scipy.stats` says the same and takes a second to import."""
    rows = 1 / (1 / ROWS + 1 / reference)
    chi2, shape = stats.chi2(rows), stats.chi2(9)
    levels = {
        "location": 2 * stats.norm.sf((PSI * rows) ** 0.5 - stats.norm.ppf(AIM["location"])),
        "wider": chi2.sf(WIDER * chi2.isf(AIM["wider"])),
        "narrower": chi2.cdf(chi2.ppf(AIM["narrower"]) / NARROWER),
        "shape": shape.sf(stats.ncx2.isf(AIM["shape"], 9, PSI * rows)),
    }
    for name, level in levels.items():
        assert required_alpha(name, reference, 10, 10) == pytest.approx(level, rel=1e-12)

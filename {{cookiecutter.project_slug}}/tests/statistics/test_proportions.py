"""The interval of a share."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from ml.statistics.proportions import wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (3, 20), (20, 20), (150, 4000)])
def test_it_is_scipys(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_no_rows_say_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)

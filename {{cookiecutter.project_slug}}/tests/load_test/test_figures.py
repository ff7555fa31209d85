"""Quantiles with intervals, and each verdict firing and staying quiet."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ml.load_test.arrivals import Step
from ml.load_test.figures import EXIT, Figures, as_json, figures_of, interval, verdict_of
from ml.load_test.sender import Sent

STEP = Step(rate=100, start=0, seconds=10)


def sent(latency_ms: float, failed: int = 0, late_ms: float = 0.0) -> Sent:
    """A thousand requests around a latency, the first ones refused."""
    n, rng = 1000, np.random.default_rng(7)
    status = np.where(np.arange(n) < failed, 503, 200)
    latency = latency_ms / 1000 * rng.uniform(0.9, 1.1, n)
    return Sent(np.linspace(0, 9.99, n), latency, np.full(n, late_ms / 1000), status)


@pytest.mark.parametrize(
    ("made", "limit", "verdict"),
    [
        (sent(20), 50.0, "met"),
        (sent(20), None, "reported"),
        (sent(200), 50.0, "missed"),
        (sent(50), 54.9, "unclear"),  # the interval holds the limit
        (sent(20, failed=3), 50.0, "met"),
        (sent(20, failed=100), 50.0, "missed"),  # quick refusals are no answers
        (sent(200, late_ms=170), 50.0, "unclear"),  # the generator's own delay
        (sent(20, late_ms=30), 50.0, "met"),
        (sent(20, failed=500, late_ms=60), 50.0, "unclear"),  # its bunches may have been refused
    ],
)
def test_the_verdict(made: Sent, limit: float | None, verdict: str) -> None:
    assert verdict_of(figures_of(STEP, made), limit) == verdict


def test_exit_statuses_are_those_of_the_monitor() -> None:
    assert EXIT == {"met": 0, "reported": 0, "missed": 3, "unclear": 4}


def test_the_interval_holds_the_quantile_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    true = -math.log(0.01)
    held = 0
    for _ in range(400):
        low, high = interval(np.sort(rng.exponential(size=1000)), 0.99)
        held += low <= true <= high
    assert held / 400 == pytest.approx(0.95, abs=0.03)


def test_few_requests_have_no_upper_end() -> None:
    assert interval(np.arange(100.0), 0.99)[1] == math.inf


def test_the_figures_as_json_name_what_has_no_end() -> None:
    figures = figures_of(STEP, sent(20, failed=500))
    told = as_json([figures], 50.0)
    assert told["steps"][0]["p99_ms"] is None
    assert told["steps"][0]["failed"] == 500
    assert told["verdict"] == "missed"
    better: Figures = replace(figures, p99_low_ms=1.0, p99_high_ms=2.0)
    assert as_json([better], 50.0)["verdict"] == "met"

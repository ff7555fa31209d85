"""The service's counters, read from a page and from a server that is not there."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ml.errors import UserError
from ml.loop.probation.decision import Counts
from ml.loop.probation.service_clock import (
    Reading,
    address,
    counts,
    parse,
    read_service,
    reading_of,
)
from ml.params import load_params
from ml.serving.metrics import Metrics

PARAMS = load_params(Path(__file__).parents[3] / "params.yaml")
BOUNDS = (0.001, 0.01, 0.1, 1.0, math.inf)


def reading(requests: int, failures: int = 0, slow: int = 0) -> Reading:
    """Nearly all requests take a millisecond, some a second."""
    quick = requests - slow
    seconds = zip(BOUNDS, (quick, quick, quick, requests, requests), strict=True)
    return Reading(0.0, "2", requests, failures, tuple(seconds))


def test_a_page_of_the_services_own_metrics_is_read() -> None:
    metrics = Metrics()
    metrics.serving("7")
    for status, n in (("200", 90), ("422", 5), ("500", 4), ("503", 3)):
        metrics.requests.labels(status).inc(n)
    metrics.fallback_answers.labels("raised").inc(6)
    for _ in range(90):
        metrics.seconds.observe(0.003)
    read = parse(metrics.page().decode(), at=5.0)
    assert (read.at, read.version, read.requests, read.failures) == (5.0, "7", 94, 10)
    assert read.seconds[-1] == (math.inf, 90)
    assert reading_of(read.as_json()) == read


@pytest.mark.parametrize("page", ["", "<html>", 'ml_bundle_serving{version="7"} 0\n'])
def test_a_page_of_something_else_is_no_reading(page: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(page, 0.0)


@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "file:///etc", "nonsense"])
def test_a_service_that_does_not_answer_is_named(base: str) -> None:
    with pytest.raises(UserError, match=f"{base}/metrics: "):
        read_service(base, 0.0)


def test_the_address_is_the_variable_the_setting_or_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert address(PARAMS) == f"http://127.0.0.1:{PARAMS.serve.port}"
    loop = PARAMS.loop.model_copy(update={"service": "http://model:8000/"})
    assert address(PARAMS.model_copy(update={"loop": loop})) == "http://model:8000"
    monkeypatch.setenv("ML_SERVICE_URL", "http://service:8000/")
    assert address(PARAMS.model_copy(update={"loop": loop})) == "http://service:8000"


def test_requests_between_readings() -> None:
    before, since = counts([reading(1000, 3, 2), reading(1100, 5, 10), reading(1100, 5, 10)])
    assert before == Counts(1000, 3, 2)
    assert since == [Counts(100, 2, 8), Counts(0, 0, 0)]
    assert counts([]) == (None, [])


def test_a_service_that_was_started_again_counts_from_zero() -> None:
    _, since = counts([reading(1000, 3), reading(40, 1)])
    assert since == [Counts(40, 1, 0)]


def test_without_requests_before_none_is_slow() -> None:
    _, since = counts([reading(0), reading(100, 0, 90)])
    assert since == [Counts(100, 0, 0)]

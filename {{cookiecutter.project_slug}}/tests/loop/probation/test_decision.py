"""The decision on a promotion: it fires, it stays quiet, and too little is neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.probation_errors import FAILS, WORSE, Case, losses, quality_end, service_end
from ml.loop.probation.decision import (
    Clock,
    Counts,
    Strays,
    decide,
    mean_of,
    quality_clock,
    service_clock,
    windows,
)
from ml.params import Probation, load_params

DAY = 86_400.0
HEALTHY = Counts(10_000, 10, 100)  # before the promotion
GOOD, UNKNOWN = Clock("good", "sound"), Clock("unknown", "too few")


@pytest.fixture(scope="module")
def settings() -> Probation:
    return load_params(Path(__file__).parents[3] / "params.yaml").loop.probation


def test_the_outcome_of_both_clocks(settings: Probation) -> None:
    bad = Clock("bad", "it fails")
    assert decide(GOOD, GOOD, 0.0, settings).outcome == "passed"
    for service, quality in ((bad, GOOD), (bad, UNKNOWN), (GOOD, bad), (UNKNOWN, bad)):
        judged = decide(service, quality, 0.0, settings)
        assert (judged.outcome, judged.why) == ("roll_back", "it fails")
    half = settings.max_days * DAY
    for clocks in ((GOOD, UNKNOWN), (UNKNOWN, GOOD), (UNKNOWN, UNKNOWN)):
        waited = [decide(*clocks, days, settings).outcome for days in (0, half, 2 * half)]
        assert waited == ["watching", "extended", "ask"]


def test_a_service_as_before_passes_and_too_few_requests_do_not(settings: Probation) -> None:
    size = settings.min_requests
    part = Counts(size, 0, size // 100)
    assert service_clock(HEALTHY, [part, part], Strays(), settings).state == "good"
    assert service_clock(HEALTHY, [part], Strays(), settings).state == "unknown"
    assert service_clock(HEALTHY, [], Strays(), settings).state == "unknown"
    assert service_clock(None, [part] * 5, Strays(), settings).state == "unknown"


def test_two_bad_windows_in_a_row_roll_back_and_one_does_not(settings: Probation) -> None:
    size = settings.min_requests
    fine, failing = Counts(size), Counts(size, failures=size // 20)
    slow = Counts(size, slow=size // 10)
    for bad in (failing, slow):
        assert service_clock(HEALTHY, [fine, bad], Strays(), settings).state == "unknown"
        assert service_clock(HEALTHY, [bad, fine, bad, fine], Strays(), settings).state == "good"
        assert service_clock(HEALTHY, [fine, bad, bad], Strays(), settings).state == "bad"


def test_one_large_effect_rolls_back_at_once(settings: Probation) -> None:
    clock = service_clock(HEALTHY, [Counts(30, failures=20)], Strays(), settings)
    assert (clock.state, clock.why) == ("bad", "20 of 30 requests failed")
    few = service_clock(HEALTHY, [Counts(5, failures=5)], Strays(), settings)
    assert few.state == "unknown"


def test_what_was_red_before_is_not_charged(settings: Probation) -> None:
    red = Counts(10_000, failures=3_000, slow=5_000)
    size = settings.min_requests
    same = Counts(size, failures=round(size * 0.3), slow=size // 2)
    assert service_clock(red, [same] * 4, Strays(), settings).state == "good"
    assert service_clock(HEALTHY, [same] * 4, Strays(), settings).state == "bad"


def test_nothing_known_before_charges_what_is_harmful_anyway(settings: Probation) -> None:
    size = settings.min_requests
    assert service_clock(Counts(), [Counts(size)] * 2, Strays(), settings).state == "good"
    failing = [Counts(size, failures=size // 10)] * 2
    assert service_clock(Counts(), failing, Strays(), settings).state == "bad"


def test_answers_far_out_are_charged_where_the_model_before_gave_none(
    settings: Probation,
) -> None:
    parts = [Counts(settings.min_requests)] * 2
    out = service_clock(HEALTHY, parts, Strays(1000, 200, 0), settings)
    assert out.state == "bad"
    assert "200 of 1,000 answers lie far beyond" in out.why
    assert service_clock(HEALTHY, parts, Strays(1000, 200, 190), settings).state == "good"
    assert service_clock(HEALTHY, parts, Strays(20, 20, 0), settings).state == "good"


def test_each_check_of_the_service_has_an_off_switch(settings: Probation) -> None:
    size = settings.min_requests
    off = settings.model_copy(
        update={"max_failures": 1.0, "max_slow": 1.0, "max_out_of_range": 1.0}
    )
    parts = [Counts(size, failures=size, slow=size)] * 3
    assert service_clock(HEALTHY, parts, Strays(1000, 1000, 0), off).state == "good"


def test_windows_join_parts_and_leave_the_rest_out() -> None:
    parts = [Counts(60, 1), Counts(60), Counts(150), Counts(10)]
    assert windows(parts, 100) == [Counts(120, 1), Counts(150)]


def test_the_same_losses_pass_and_few_are_waited_for(settings: Probation) -> None:
    n = settings.min_labels
    same = np.random.default_rng(0).random(n)
    assert quality_clock(same, same, settings, 1.0).state == "good"
    clock = quality_clock(same[:-1], same[:-1], settings, 1.0)
    assert (clock.state, clock.why) == ("unknown", f"{n - 1} final outcomes of {n}")
    off = settings.model_copy(update={"min_labels": 0})
    assert quality_clock(same[:0], same[:0], off, 1.0).state == "good"


def test_a_better_model_passes_at_once_and_a_ruined_one_is_rolled_back(
    settings: Probation,
) -> None:
    rng = np.random.default_rng(1)
    before = np.abs(rng.normal(0, 70, settings.min_labels))
    assert quality_clock(before * 0.6, before, settings, float(before.mean())).state == "good"
    assert quality_clock(before * 1.6, before, settings, float(before.mean())).state == "bad"
    perfect = np.zeros(settings.min_labels)
    assert quality_clock(perfect, perfect, settings, 0.0).state == "good"


def test_a_mean_of_rows_that_are_alike_is_less_certain() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(0, 1, 1600)
    alike = np.repeat(rng.normal(0, 1, 80), 20)
    assert mean_of(rows).error == pytest.approx(1 / 40, rel=0.5)
    assert mean_of(alike).error == pytest.approx(1 / np.sqrt(80), rel=0.5)
    assert mean_of(rows[:50]).freedom == np.inf
    assert mean_of(np.zeros(1)).error == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("case", [Case("class", 0.1), Case("class", 0.2), Case("number", 0.3)])
def test_few_healthy_promotions_and_most_bad_ones_are_rolled_back(
    settings: Probation, case: Case
) -> None:
    rng, n = np.random.default_rng(5), 150
    healthy = [quality_end(*losses(rng, case, 0.0), settings) for _ in range(n)]
    worse = [quality_end(*losses(rng, case, WORSE), settings) for _ in range(n)]
    # the rates are 2 % at most and 95 % at least: three standard errors of 150 trials are left
    assert healthy.count("bad") <= 0.02 * n + 5
    assert worse.count("bad") >= 0.95 * n - 8


def test_few_healthy_services_and_all_failing_ones_are_rolled_back(settings: Probation) -> None:
    rng = np.random.default_rng(6)
    assert [service_end(rng, FAILS, settings) for _ in range(100)].count("bad") <= 5
    assert [service_end(rng, WORSE, settings) for _ in range(100)].count("bad") >= 95

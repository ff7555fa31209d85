"""Label coverage: known and steady lets the loop act, all else does not."""

from __future__ import annotations

import numpy as np
import pytest

from ml.journal.bulk.ripeness import LabelCohort
from ml.journal.bulk.scan import Span
from ml.loop.coverage import coverage, p_lower, wilson
from ml.params import LabelCoverage

DAY = 86_400.0
SETTINGS = LabelCoverage(min_share=0.2, max_drop=0.1, false_alarm=0.01)


def cohorts(
    shares: list[float], rows: int = 300, lag: float = DAY, unripe: int = 0
) -> list[LabelCohort]:
    """Windows of a day; a share of each day's rows has its outcome so long after the day.

    The present is the end of the last one, so what would come later has not come.
    """
    made, present = [], len(shares) * DAY
    for i, share in enumerate(shares):
        end = (i + 1) * DAY
        came = round(share * rows) if end + lag <= present else 0
        ripe = 0 if i >= len(shares) - unripe else rows
        made.append(
            LabelCohort(Span(end - DAY, end), rows, ripe, np.full(min(came, ripe), float(lag)))
        )
    return made


@pytest.mark.parametrize("lag", [0.0, 0.5 * DAY, DAY, 3 * DAY], ids=lambda lag: f"{lag:g}")
@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
def test_steady_coverage_is_ok_however_late_outcomes_come(lag: float, share: float) -> None:
    judged = coverage(cohorts([share] * 8, lag=lag), 8 * DAY, SETTINGS)
    assert judged.state == "ok", judged.why
    assert judged.share == pytest.approx(share)


def test_the_first_window_with_outcomes_is_known() -> None:
    judged = coverage(cohorts([0.8, 0.8]), 2 * DAY, SETTINGS)
    assert (judged.state, judged.before) == ("ok", None)
    assert judged.low is not None
    assert judged.high is not None
    assert judged.low < 0.8 < judged.high


def test_nothing_is_known_before_a_window_is_ripe() -> None:
    judged = coverage(cohorts([1.0] * 3, lag=0, unripe=3), 3 * DAY, SETTINGS)
    assert (judged.state, judged.why) == ("unknown", "no window with answers is ripe yet")
    assert coverage([], 0.0, SETTINGS).state == "unknown"


def test_without_any_outcome_nothing_is_known() -> None:
    judged = coverage(cohorts([0.0] * 5), 5 * DAY, SETTINGS)
    assert judged.state == "unknown"
    assert "only 0 of 300 answers have their outcome" in judged.why


@pytest.mark.parametrize("lag", [0.0, DAY, 3 * DAY], ids=lambda lag: f"{lag:g}")
def test_outcomes_that_stop_are_noticed_when_the_first_are_due(lag: float) -> None:
    late = int(lag / DAY)
    before = coverage(cohorts([0.9] * 8 + [0.0] * late, lag=lag), (8 + late) * DAY, SETTINGS)
    assert before.state == "ok", before.why
    after = coverage(cohorts([0.9] * 8 + [0.0] * (late + 1), lag=lag), (9 + late) * DAY, SETTINGS)
    assert after.state == "falling", after.why
    assert "0 of 300" in after.why
    assert "90.0% in the windows before" in after.why
    long_after = coverage(cohorts([0.9] * 8 + [0.0] * 40, lag=lag), 48 * DAY, SETTINGS)
    assert long_after.state == "falling"


def test_a_small_drop_and_a_drop_by_chance_are_none() -> None:
    assert coverage(cohorts([0.9] * 6 + [0.85, 0.0]), 8 * DAY, SETTINGS).state == "ok"
    few = cohorts([0.9] * 6 + [0.75, 0.0], rows=20)
    assert coverage(few, 8 * DAY, SETTINGS).state == "ok"
    many = cohorts([0.9] * 6 + [0.75, 0.0], rows=300)
    assert coverage(many, 8 * DAY, SETTINGS).state == "falling"


def test_coverage_below_the_minimum_is_not_ok_though_it_is_steady() -> None:
    judged = coverage(cohorts([0.1] * 6), 6 * DAY, SETTINGS)
    assert judged.state == "falling"
    assert judged.why.endswith("less than 20%")
    off = SETTINGS.model_copy(update={"min_share": 0.0})
    assert coverage(cohorts([0.1] * 6), 6 * DAY, off).state == "ok"


def test_the_false_alarm_rate_is_held() -> None:
    rng = np.random.default_rng(0)
    off = SETTINGS.model_copy(update={"max_drop": 0.0})
    alarms = 0
    for _ in range(1000):
        shares = (rng.binomial(300, 0.6, 8) / 300).tolist()
        alarms += coverage(cohorts([*shares, 0.0]), 9 * DAY, off).state == "falling"
    assert alarms <= 20  # twice the 1 %


def test_intervals_and_probabilities_by_hand() -> None:
    low, high = wilson(8, 10)
    assert low == pytest.approx(0.4902, abs=1e-3)
    assert high == pytest.approx(0.9433, abs=1e-3)
    assert wilson(0, 5)[0] == 0.0
    # 0 of 2 where 2 of 2 had one: 1 of 6 ways to draw
    assert p_lower(0, 2, 2, 2) == pytest.approx(1 / 6)

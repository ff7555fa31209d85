"""Outcomes that came late judge the window that they belong to, once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from ml.clock import MovedClock, set_clock
from ml.journal.bulk import ripeness
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.monitor import REPORTS, evaluate_window
from tests.monitoring.conftest import DAY, NOW, World, customers, judged, record, week


@pytest.mark.slow
def test_late_outcomes_judge_the_week_they_belong_to(world: World, champion: Champion) -> None:
    frame = customers(800, 61, concept=0.9)
    ids = record(world, frame, week(3).start, week(3).end)
    engine, settings = world.journal.engine, world.params.monitor
    first = evaluate_window(engine, champion, week(3), settings)
    assert first.verdict == "ok"  # nothing shows without outcomes
    world.journal.add_labels(zip(ids, frame["left"], strict=True), at=NOW)
    second = judged(world, champion, week(2), customers(600, 62))
    assert second.verdict == "decay"
    assert week(3).name in second.evidence[0]
    settled = json.loads((REPORTS / week(3).name / "verdict.json").read_text())
    assert settled["estimate"]["truth"] == pytest.approx(settled["performance"]["value"])
    assert settled["performance"]["median_lag_days"] > 13
    third = judged(world, champion, week(1), customers(600, 63))
    assert (third.verdict, third.late) == ("ok", ())  # reported once


@pytest.mark.slow
def test_a_schedule_of_overlapping_windows_does_not_hide_a_former_one(
    world: World, champion: Champion
) -> None:
    frame = customers(600, 72, concept=0.9)
    ids = record(world, frame, week(2).start, week(2).end)
    engine, settings = world.journal.engine, world.params.monitor
    verdict = evaluate_window(engine, champion, week(2), settings)
    for hour in range(20):  # since then, every hour a window of a week
        folder = REPORTS / f"overlapping--{hour}"
        folder.mkdir()
        (folder / "verdict.json").write_text(
            json.dumps(verdict.as_json() | {"end": week(2).end + 3600 * (hour + 1)})
        )
    world.journal.add_labels(zip(ids, frame["left"], strict=True), at=NOW)
    assert judged(world, champion, week(1), customers(600, 73)).verdict == "decay"


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clock's file; what is ripe is read from it."""
    monkeypatch.setattr(ripeness, "now", MovedClock(tmp_path / "clock"))
    return tmp_path / "clock"


def test_outcomes_whose_bad_half_comes_first_judge_nothing_before_they_are_ripe(
    world: World, champion: Champion, clock: Path
) -> None:
    target = champion.contract.target.model_copy(update={"matures_after": "14d"})
    contract = champion.contract.model_copy(update={"target": target})
    slow, engine = dataclasses.replace(champion, contract=contract), world.journal.engine
    frame, settings = customers(800, 61), world.params.monitor
    ids = record(world, frame, week(3).start, week(3).end)
    outcomes = list(zip(ids, frame["left"], strict=True))
    world.journal.add_labels([o for o in outcomes if o[1] == "yes"], at=week(3).end)
    early = evaluate_window(engine, champion, week(3), settings)  # outcomes final at once
    assert early.performance.coverage < 0.6
    assert early.performance.unripe == 0

    set_clock(clock, week(3).end)
    first = evaluate_window(engine, slow, week(3), settings)
    assert (first.performance.rows, first.performance.unripe) == (0, 800)
    assert "left" not in "".join(first.evidence)
    set_clock(clock, week(3).start + 14 * DAY + 3.5 * DAY - 300)  # the older half is ripe
    second = evaluate_window(engine, slow, week(3), settings)
    assert second.performance.unripe == 400

    world.journal.add_labels([o for o in outcomes if o[1] == "no"], at=week(2).end)
    set_clock(clock, NOW + 14 * DAY)
    third = judged(world, slow, week(1), customers(600, 63))
    (late,) = third.late
    assert (late.rows, late.unripe, late.coverage) == (800, 0, 1.0)
    assert third.verdict == "ok"
    again = evaluate_window(engine, slow, week(1), settings)
    assert again.late == ()  # reported once


def test_a_window_that_ripens_is_judged_though_no_outcome_came_since(
    world: World, champion: Champion, clock: Path
) -> None:
    target = champion.contract.target.model_copy(update={"matures_after": "7d"})
    contract = champion.contract.model_copy(update={"target": target})
    slow = dataclasses.replace(champion, contract=contract)
    set_clock(clock, week(2).end)
    frame = customers(800, 61, concept=0.9)
    young = judged(world, slow, week(2), frame, labelled=1.0)
    assert young.verdict == "ok"
    set_clock(clock, NOW + 7 * DAY)
    ripe = judged(world, slow, week(1), customers(600, 62))
    assert ripe.verdict == "decay"
    assert week(2).name in ripe.evidence[0]

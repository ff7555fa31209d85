"""Outcomes that came late judge the window that they belong to, once."""

from __future__ import annotations

import json

import pytest

from ml.monitoring.inputs.reference import Champion
from ml.monitoring.monitor import REPORTS, evaluate_window
from tests.monitoring.conftest import NOW, World, customers, judged, record, week


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

"""A broken window is quarantined, once."""

from __future__ import annotations

import pytest

from ml.monitoring import quarantine
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.monitor import evaluate_window
from tests.monitoring.conftest import DAY, World, customers, judged, week


@pytest.mark.slow
def test_a_broken_week_is_quarantined_once_and_not_tested_for_drift(
    world: World, champion: Champion
) -> None:
    frame = customers(600, 64)
    verdict = judged(world, champion, week(2), frame.assign(charge=frame["charge"] * 100))
    evaluate_window(world.journal.engine, champion, week(2), world.params.monitor)
    (entry,) = quarantine.load()
    assert (entry["start"], entry["end"]) == (week(2).start, week(2).end)
    assert "another unit" in " ".join(entry["evidence"])
    assert {finding.check for finding in verdict.findings} == {"quality"}
    may_train_on = quarantine.not_quarantined()
    assert not may_train_on(week(2).start + DAY)
    assert may_train_on(week(1).start)

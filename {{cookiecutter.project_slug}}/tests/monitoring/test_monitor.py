"""A window from the journal to its verdict: whose rows count, and that none at all is an alarm."""

from __future__ import annotations

import pytest

from ml.monitoring.inputs.reference import Champion
from ml.monitoring.monitor import evaluate_window
from tests.monitoring.conftest import DAY, World, customers, judged, record, week


@pytest.mark.slow
def test_all_traffic_moves_columns_and_only_the_champions_answers_are_judged(
    world: World, champion: Champion
) -> None:
    frame = customers(600, 65)
    record(world, frame, week(2).start, week(2).start + DAY, version="2", labelled=1.0)
    verdict = judged(world, champion, week(2), customers(400, 66), labelled=1.0)
    assert verdict.rows == 1000
    assert verdict.versions == {"2": 600, "3": 400}
    assert verdict.performance.rows == 400


def test_no_rows_is_an_alarm_of_its_own(world: World, champion: Champion) -> None:
    verdicts = [
        evaluate_window(world.journal.engine, champion, week(n), world.params.monitor)
        for n in (2, 1)
    ]
    assert [(v.verdict, v.action, v.tier) for v in verdicts] == [
        ("insufficient", "call", "ticket"),
        ("insufficient", "call", "page"),
    ]

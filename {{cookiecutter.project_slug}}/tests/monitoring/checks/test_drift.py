"""Which columns are tested; the tests themselves: tests/statistics."""

from __future__ import annotations

from ml.monitoring.inputs.reference import Champion
from tests.monitoring.conftest import World, check, customers, record, week


def test_too_few_answers_of_a_new_champion_are_not_tested(world: World, champion: Champion) -> None:
    record(world, customers(600, 74), week(1).start, week(1).end, version="2")
    record(world, customers(20, 75, charge=200), week(1).start, week(1).end)
    checked = check(world, champion, week(1))
    assert "charge" in checked.columns
    assert "prediction" not in checked.columns

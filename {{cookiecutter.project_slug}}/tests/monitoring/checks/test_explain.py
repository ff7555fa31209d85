"""What a verdict says about a column that moved."""

from __future__ import annotations

import pandas as pd

from ml.monitoring.inputs.reference import Champion
from tests.monitoring.conftest import World, check, customers, record, week


def sentence(world: World, champion: Champion, **changes: pd.Series) -> str:
    """The first finding in words, of a week whose columns hold these values."""
    record(world, customers(600, 3).assign(**changes), week(1).start, week(1).end)
    return check(world, champion, week(1)).findings[0].words


def test_a_number_rose(world: World, champion: Champion) -> None:
    words = sentence(world, champion, charge=customers(600, 3, charge=81)["charge"])
    assert words.startswith("`charge` rose from 6")
    assert "(median), PSI 0." in words
    assert words.endswith(", most important feature")


def test_a_level_rose(world: World, champion: Champion) -> None:
    plan = customers(600, 3)["plan"]
    words = sentence(world, champion, plan=plan.mask(plan.index % 4 == 0, "pro"))
    assert words.startswith('`plan`: "pro" rose from 2')
    assert words.endswith(", of no importance to the model")


def test_values_are_missing(world: World, champion: Champion) -> None:
    tenure = customers(600, 3)["tenure"]
    words = sentence(world, champion, tenure=tenure.mask(tenure.index % 8 == 0))
    assert words.startswith("`tenure` is missing in 1")
    assert words.endswith(", second most important feature")


def test_a_level_is_new(world: World, champion: Champion) -> None:
    plan = customers(600, 3)["plan"]
    words = sentence(world, champion, plan=plan.mask(plan.index % 20 == 0, "gold"))
    assert words.startswith('`plan`: 5.0% of the rows hold levels never seen ("gold")')

"""Decay by outcomes: healthy ones show none, few ones judge nothing."""

from __future__ import annotations

import numpy as np
import pytest

from ml.journal.bulk.scan import Span
from ml.monitoring.checks.performance import Cohort, cohort, performance
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.inputs.window import read_window
from tests.monitoring.conftest import DAY, NOW, World, answered, customers, record


@pytest.mark.slow
def test_healthy_labels_show_no_decay(world: World, champion: Champion) -> None:
    quiet = 0
    for window in range(12):
        outcome, answer = answered(world, customers(600, 400 + window))
        group = Cohort(f"{window}", 600, outcome.astype(float), answer, np.zeros(600))
        quiet += not performance(group, champion, world.params.monitor)[1]
    assert quiet == 12


def test_few_labels_judge_nothing(world: World, champion: Champion) -> None:
    record(world, customers(400, 5), labelled=0.1)
    window = read_window(
        world.journal.engine, Span(NOW - 30 * DAY, NOW), world.contract, champion.profiles, "3"
    )
    numbers, findings = performance(cohort(window), champion, world.params.monitor)
    assert numbers.rows == 40
    assert numbers.coverage == pytest.approx(0.1)
    assert numbers.value is None
    assert findings == []

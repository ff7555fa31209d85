"""Losses of both models, and numbers that lie far beyond the held-out rows' answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract
from ml.journal.bulk.scan import Span
from ml.journal.records import SHADOW, SHADOW_SUFFIX, Record, id_begin
from ml.journal.store import Journal
from ml.loop.probation.decision import Strays
from ml.loop.probation.quality_clock import losses, read_quality
from ml.monitoring.inputs.reference import Champion
from ml.params import Probation, load_params

DAY = 86_400.0


def contract(matures_after: str) -> Contract:
    target = {"name": "y", "task": "regression", "matures_after": matures_after}
    return Contract.model_validate(
        {"target": target, "columns": [{"name": "x", "kind": "numeric"}]}
    )


def champion(matures_after: str) -> Champion:
    """Version 2, whose answers on the held-out rows lie between 0 and 10."""
    return Champion(
        "bikes",
        "2",
        "",
        contract(matures_after),
        "r2",
        {},
        pd.DataFrame(),
        np.zeros(2),
        np.array([[0.0], [10.0]]),
        {},
        0.0,
    )


@pytest.fixture
def settings() -> Probation:
    params = load_params(Path(__file__).parents[3] / "params.yaml")
    return params.loop.probation.model_copy(update={"min_labels": 40})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Four days of 25 rows, all with their outcome: version 2 is off by 2, version 1 by 1."""
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    rng, labels = np.random.default_rng(0), []
    for i in range(100):
        at, truth = i * DAY / 25, float(rng.uniform(2, 8))
        id_ = f"{id_begin(at)}{i:020x}"
        shadow = id_ + SHADOW_SUFFIX
        answers = [(id_, "2", "champion", 30.5 if i % 10 == 0 else truth + 2)]
        answers.append((shadow, "1", SHADOW, truth + 1 + rng.normal(0, 0.01)))
        for key, version, role, value in answers:
            journal.append([Record(key, at, version, role, None, "{}", json.dumps(value), None)])
        labels.append((id_, truth))
    journal.add_labels(labels)
    return journal


def test_only_final_outcomes_count_and_all_answers_are_looked_at(
    journal: Journal, settings: Probation
) -> None:
    span = Span(0.0, 4 * DAY)
    at_once = read_quality(journal.engine, champion("0"), "1", span, settings)
    assert (at_once.clock.state, at_once.clock.figures["outcomes"]) == ("bad", 100)
    assert at_once.strays == Strays(rows=100, champion=10, before=0)
    ripe = read_quality(journal.engine, champion("2d"), "1", span, settings)
    assert ripe.clock.figures["outcomes"] == 50
    young = read_quality(journal.engine, champion("3d"), "1", span, settings)
    assert (young.clock.state, young.clock.figures["outcomes"]) == ("unknown", 25)
    assert young.strays.rows == 100


def test_without_a_shadow_nothing_is_known(journal: Journal, settings: Probation) -> None:
    alone = read_quality(journal.engine, champion("0"), "7", Span(0.0, 4 * DAY), settings)
    assert (alone.clock.state, alone.strays.rows) == ("unknown", 0)


def test_a_wrong_class_is_a_loss_of_one() -> None:
    classes = Contract.model_validate(
        {
            "target": {"name": "y", "task": "binary", "classes": ["no", "yes"]},
            "columns": [{"name": "x", "kind": "numeric"}],
        }
    )
    answer = np.array([[0.9, 0.1], [0.2, 0.8]])
    np.testing.assert_array_equal(losses(answer, np.array([1.0, 1.0]), classes), [1, 0])
    assert losses(np.array([[3.0]]), np.array([5.0]), contract("0")) == [2.0]

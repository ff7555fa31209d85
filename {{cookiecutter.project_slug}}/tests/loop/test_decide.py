"""The choice of a pass: each trigger fires, each guard holds, and both stay quiet otherwise."""

from __future__ import annotations

import dataclasses

import pytest

from ml.loop.decide import Situation, decide
from ml.params import LabelCoverage, Loop, Probation

DAY = 86_400.0
SETTINGS = Loop(
    every_hours=24,
    retrain_share=0.25,
    every_days=0,
    min_new_rows=200,
    cool_down_days=1,
    max_per_day=2,
    approval=False,
    service=None,
    coverage=LabelCoverage(min_share=0.2, max_drop=0.1, false_alarm=0.01),
    probation=Probation(
        max_days=14,
        min_requests=200,
        max_failures=0.01,
        max_slow=0.05,
        max_out_of_range=0.05,
        min_labels=300,
        max_loss=0.03,
    ),
)
NOW = 100 * DAY
QUIET = Situation(
    verdict="ok",
    decayed=False,
    evidence=(),
    now=NOW,
    fresh=400,
    trained=4000,
    last_attempt=None,
    released_at=NOW - 10 * DAY,
    attempts_today=0,
    refusals=0,
)
DECAY = dataclasses.replace(
    QUIET, verdict="decay", decayed=True, evidence=("roc_auc fell from 0.9 to 0.8",)
)


def test_nothing_asks_for_a_model() -> None:
    assert decide(QUIET, SETTINGS).action == "nothing"


def test_decay_is_retrained_with_its_evidence() -> None:
    choice = decide(DECAY, SETTINGS)
    assert (choice.action, choice.why, choice.decayed) == ("retrain", DECAY.evidence[0], True)


def test_drift_without_decay_is_reported() -> None:
    drift = dataclasses.replace(QUIET, verdict="drift", evidence=("age moved",))
    choice = decide(drift, SETTINGS)
    assert choice.action == "report"
    assert "age moved" in choice.why


def test_broken_data_is_never_trained_on() -> None:
    broken = dataclasses.replace(DECAY, verdict="broken", fresh=10**6)
    assert decide(broken, SETTINGS).action == "quarantine"


def test_few_rows_decide_nothing() -> None:
    few = dataclasses.replace(DECAY, verdict="insufficient")
    assert decide(few, SETTINGS).action == "nothing"


@pytest.mark.parametrize(("fresh", "action"), [(999, "nothing"), (1000, "retrain")])
def test_enough_new_rows_are_worth_a_model(fresh: int, action: str) -> None:
    assert decide(dataclasses.replace(QUIET, fresh=fresh), SETTINGS).action == action


def test_refusals_double_what_is_worth_a_model() -> None:
    enough = dataclasses.replace(QUIET, fresh=1500, refusals=1)
    assert decide(enough, SETTINGS).action == "nothing"
    assert decide(dataclasses.replace(enough, fresh=2000), SETTINGS).action == "retrain"


def test_new_rows_alone_can_be_switched_off() -> None:
    off = SETTINGS.model_copy(update={"retrain_share": 0})
    assert decide(dataclasses.replace(QUIET, fresh=10**6), off).action == "nothing"


@pytest.mark.parametrize(("days", "action"), [(11, "nothing"), (10, "retrain"), (0, "nothing")])
def test_a_schedule(days: float, action: str) -> None:
    settings = SETTINGS.model_copy(update={"every_days": days})
    assert decide(QUIET, settings).action == action


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fresh": 199}, "min_new_rows"),
        ({"fresh": 399, "refusals": 1}, "400 are needed"),
        ({"last_attempt": NOW - 0.5 * DAY}, "after the last challenger"),
        ({"last_attempt": NOW - 3 * DAY, "refusals": 2, "fresh": 5000}, "4 are asked for"),
        ({"attempts_today": 2}, "max_per_day"),
        ({"stopped": True}, "could not be carried out yet"),
        ({"waiting": "7"}, "version 7 waits for `ml approve`"),
        ({"on_probation": True}, "probation"),
    ],
)
def test_a_guard_holds_and_says_which(change: dict[str, object], says: str) -> None:
    choice = decide(dataclasses.replace(DECAY, **change), SETTINGS)  # type: ignore[arg-type]
    assert choice.action == "hold"
    assert says in choice.why
    assert choice.why.startswith(DECAY.evidence[0])


def test_outcomes_that_stop_coming_stop_everything_but_the_quarantine() -> None:
    falling = dataclasses.replace(DECAY, labels="falling", labels_why="3 % of rows, 98 % before")
    choice = decide(falling, SETTINGS)
    assert choice.action == "alarm"
    assert "3 % of rows, 98 % before" in choice.why
    assert decide(dataclasses.replace(falling, verdict="broken"), SETTINGS).action == "quarantine"


def test_nothing_is_trained_while_nobody_knows_which_outcomes_come() -> None:
    unknown = dataclasses.replace(DECAY, labels="unknown", labels_why="no window is ripe yet")
    choice = decide(unknown, SETTINGS)
    assert choice.action == "hold"
    assert "no window is ripe yet" in choice.why
    assert decide(dataclasses.replace(QUIET, labels="unknown"), SETTINGS).action == "nothing"

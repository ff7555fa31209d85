"""Seeded streams through the loop: what it does, asked of registry, link and ledger.

Decay, broken data, a refusal and kill -9 are in test_run.py; a champion that fails on probation is
in tests/loop/probation and tests/serving/inference.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ml.journal.store import Journal
from ml.loop.run import Outcome, run_pass
from ml.monitoring.quarantine import load as quarantined
from tests.conftest import write_settings
from tests.loop.loops import actions, champion
from tests.loop.traffic import HOUR, rows, serve, span

pytestmark = pytest.mark.slow
DAY = 24 * HOUR


def passes(first: int, last: int, n: int = 300, **kind: object) -> list[Outcome]:
    """A pass after each of some days of traffic of one kind."""
    return [run_pass(serve(day, rows(n, day, **kind))) for day in range(first, last)]  # type: ignore[arg-type]


def test_nothing_happens_in_many_windows(looped: Path) -> None:
    outcomes = passes(0, 40, n=250)
    triggers = [o for o in outcomes if o.action not in ("nothing", "report")]
    assert len(triggers) <= 1, triggers
    assert champion() == ("1", "1")


def test_other_customers_are_reported_and_cost_one_challenger_at_most(looped: Path) -> None:
    outcomes = passes(0, 4, n=400, lowest=100.0)
    assert {o.verdict.verdict for o in outcomes} & {"drift", "decay"}
    assert actions().count("retrain") <= 1


def test_sixty_percent_nulls_are_quarantined(looped: Path) -> None:
    given = rows(400, 1, turned=True)
    for row in given[: int(0.6 * len(given))]:
        row["charge"] = None
    outcome = run_pass(serve(0, given))
    assert outcome.action == "quarantine", outcome
    assert len(quarantined()) == 1
    assert champion() == ("1", "1")
    assert "retrain" not in actions()


def test_outcomes_that_stop_coming_are_an_alarm_and_nothing_is_done(looped: Path) -> None:
    for outcome in passes(0, 3):
        assert outcome.action == "nothing", outcome
    silent = [
        run_pass(serve(day, rows(400, day, turned=True), labels=False)) for day in range(3, 6)
    ]
    assert silent[-1].action == "alarm", silent
    assert "stop coming" in silent[-1].why
    assert champion() == ("1", "1")
    assert "retrain" not in actions()


def test_early_outcomes_decide_nothing_before_all_are_ripe(looped: Path) -> None:
    """Those who leave, leave early: a week's first outcomes are all of one kind."""
    contracts = [Path("contract.yaml"), Path("serving/releases/1/contract.json")]
    yaml = YAML()
    values = yaml.load(contracts[0].read_text(encoding="utf-8"))
    values["target"]["matures_after"] = "7d"
    with contracts[0].open("w", encoding="utf-8") as file:
        yaml.dump(values, file)
    for day in range(4):
        early = [row | {"left": "yes"} for row in rows(400, day)]
        outcome = run_pass(serve(day, early))
        assert outcome.action in ("nothing", "report", "hold"), outcome
    assert champion() == ("1", "1")
    assert "retrain" not in actions()


def test_poisoned_outcomes_make_no_champion(looped: Path) -> None:
    """A fifth of the newest outcomes is wrong: whatever is trained on them is refused."""
    write_settings(looped / "params.yaml", loop__retrain_share=0.5)
    outcome = run_pass(serve(0, rows(500, 1, poisoned=0.2)))
    assert outcome.action in ("refuse", "unchanged", "failed", "nothing", "hold"), outcome
    assert champion() == ("1", "1")


def test_flapping_data_cost_one_challenger_in_a_cool_down(looped: Path) -> None:
    write_settings(looped / "params.yaml", loop__cool_down_days=10.0, loop__max_per_day=0)
    for day in range(6):
        run_pass(serve(day, rows(400, day, turned=day % 2 == 0)))
    assert actions().count("retrain") <= 1


def test_a_season_that_returns_gets_its_earlier_champion_without_training(looped: Path) -> None:
    # the windows lie a year back and the promotion today: no probation could judge it
    without = {"loop__probation__max_days": 0, "loop__cool_down_days": 0.0}
    write_settings(looped / "params.yaml", loop__max_per_day=0, **without)
    away = passes(0, 1, n=800, turned=True)
    assert away[-1].action == "promote", away
    assert champion() == ("2", "2")
    back = passes(1, 3, n=800)
    assert "promote" in [outcome.action for outcome in back], back
    assert champion() == ("1", "1")
    assert actions().count("retrain") == 1


def test_labels_of_unknown_predictions_change_nothing(looped: Path) -> None:
    window = serve(0, rows(300, 1))
    with closing(Journal()) as journal:
        journal.add_labels([(f"nobody-{i}", "yes") for i in range(500)], at=span(0).end - 1)
    assert run_pass(window).action == "nothing"
    assert time.time() - window.end > DAY

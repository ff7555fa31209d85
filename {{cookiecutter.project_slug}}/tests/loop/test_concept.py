"""A concept that changes at once or little by little, and one that comes and goes.

The loss is that of the project's metric, the area under the ROC curve, against the true
probabilities on 20,000 fresh rows: of the frozen first version, and of the loop's champion.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml import clock
from ml.bundle import CHAMPION
from ml.loop.run import Outcome, run_pass
from tests.conftest import write_settings
from tests.loop.loops import actions, champion
from tests.loop.traffic import area, rows, serve

pytestmark = pytest.mark.slow
FOUND, RECOVERED = 3, 4  # windows after a change until it is found, and then until it is made good
SHARE = 0.9  # of the loss


@pytest.fixture
def project(looped: Path, moved_clock: Path) -> Path:
    """A loop that outcomes alone make retrain, whose clock stands at the stream."""
    assert moved_clock.is_file()
    write_settings(looped / "params.yaml", loop__probation__max_days=0)
    return looped


def live(day: int, turned: float, n: int = 500) -> Outcome:
    """A day's rows and the pass after it."""
    window = serve(day, rows(n, day, turned=turned))
    clock.set_clock(Path(os.environ[clock.VARIABLE]), window.end)
    return run_pass(window)


def recovered() -> float:
    """Share of the first version's loss on the new concept that the champion does not have."""
    best = area(None, 1.0)
    return 1 - (best - area(CHAMPION, 1.0)) / (best - area(Path("serving/releases/1"), 1.0))


def test_an_abrupt_change_is_found_and_made_good(project: Path) -> None:
    assert live(0, 0.0).action == "nothing"
    outcomes: list[Outcome] = []
    while len(outcomes) < FOUND + RECOVERED and (not outcomes or recovered() < SHARE):
        outcomes.append(live(len(outcomes) + 1, 1.0))
    assert "decay" in [outcome.verdict.verdict for outcome in outcomes[:FOUND]]
    assert recovered() >= SHARE, outcomes
    assert champion()[0] == champion()[1] != "1"


def test_a_gradual_change_is_followed(project: Path) -> None:
    """Within eight windows; found before it is over, and made good four windows after it.

    New rows ask for challengers, too, as delivered: a small model that follows the change learns
    from few rows, and shows no loss beside itself.
    """
    write_settings(project / "params.yaml", loop__probation__max_days=0, loop__retrain_share=0.5)
    steps = [step / 8 for step in range(1, 9)]
    during = [live(day, turned) for day, turned in enumerate(steps)]
    assert "promote" in [outcome.action for outcome in during], during
    after: list[Outcome] = []
    while len(after) < RECOVERED and recovered() < SHARE:
        after.append(live(len(steps) + len(after), 1.0))
    assert recovered() >= SHARE, [*during, *after]


def test_seasons_that_come_and_go_are_learned_once(project: Path) -> None:
    """Each season is two windows; once both are known, earlier champions take turns."""
    without = {"loop__cool_down_days": 0.0, "loop__max_per_day": 0}
    write_settings(project / "params.yaml", loop__probation__max_days=0, **without)
    for day in range(2):
        live(day, 1.0, 800)
    learned = actions().count("retrain")
    assert champion()[1] == "2"
    for season in range(4):
        for day in (2, 3):
            live(2 * season + day, float(season % 2), 800)
        assert (champion()[1] == "1") is (season % 2 == 0)
    assert actions().count("retrain") - learned <= 1
    assert champion()[0] == champion()[1]

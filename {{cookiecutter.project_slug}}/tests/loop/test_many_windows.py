"""Three hundred windows in which nothing changes, with the settings as they are delivered."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from ml import clock
from ml.loop.run import run_pass
from tests.conftest import (
    command,
    commit,
    copy_project,
    live_in,
    made_once,
    ml,
    write_customers,
    write_settings,
)
from tests.loop.loops import actions, champion
from tests.loop.traffic import loss, rows, serve, span

pytestmark = pytest.mark.slow
WINDOWS, ROWS = 300, 200
FIRST_ROWS = 10_800  # four fifths of them train: all windows hold less than 7.5 times as many
TRIGGERS = 3
NOISE = 0.001  # of a Brier score; the first version is 0.003 above the true probabilities


@pytest.fixture
def long(
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moved_clock: Path,
) -> Path:
    """A released project with many first rows and a quick model; its clock stands at the stream."""
    assert moved_clock.is_file()
    project = made_once(tmp_path_factory, "long", partial(_release, FIRST_ROWS))
    copy = live_in(project, tmp_path / "project", monkeypatch)
    commit(copy, "released")
    return copy


def _release(rows: int, project: Path) -> None:
    copy_project(project)
    write_settings(project / "params.yaml", train__boosting__max_iter=20, loop__retrain_share=0.5)
    write_customers(project / "customers.csv", rows)
    ml(project, "adopt", "customers.csv", "--target", "left", "--id", "customer")
    command(project, "dvc", "repro", "-q")
    ml(project, "release")


def test_nothing_happens(long: Path, moved_clock: Path) -> None:
    """At most three challengers are trained, and none is promoted that is worse."""
    losses = [loss(Path("serving/releases/1"))]
    for day in range(WINDOWS):
        window = serve(day, rows(ROWS, day))
        clock.set_clock(moved_clock, span(day).end)
        if run_pass(window).action == "promote":
            losses.append(loss(Path("serving/champion")))
    assert actions().count("retrain") <= TRIGGERS
    assert actions().count("promote") == len(losses)
    for before, after in pairwise(losses):
        assert after <= before + NOISE
    assert champion()[0] == champion()[1]

"""What was lived becomes a story whose figures agree with each other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ml.loop.replay.figures import Played, story_of
from ml.loop.replay.options import Options
from ml.loop.replay.simulation.live import Lived
from ml.loop.replay.simulation.stream import Stream
from ml.loop.replay.story import Event, Story
from ml.params import Params
from tests.serving.conftest import REGRESSION

Make = Callable[..., Story]


@pytest.fixture
def make_story(
    releases: Path,
    lived_windows: Callable[[int], list[Lived]],
    params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Make:
    """The story of twelve windows; the loop decided for version 2 in window 5."""
    monkeypatch.chdir(tmp_path)
    for version in ("1", "2"):
        shutil.copytree(releases / "r", tmp_path / "serving/releases" / version)
    first, *lived = lived_windows(13)
    lived = [replace(w, decided="2" if w.slice.number > 5 else "1") for w in lived]
    train = params.train.model_copy(update={"model": "linear"})

    def make(*what: str, deploy_lag: int = 0) -> Story:
        at = datetime(2026, 1, 3, tzinfo=UTC)
        events = [Event(window=2, at=at, what=word) for word in what]
        stream = Stream("x", first.slice.rows, tuple(w.slice for w in lived))
        options = Options(deploy_lag=deploy_lag)
        return story_of(Played(stream, lived, events, REGRESSION, train, options))

    return make


def test_the_champion_s_figures_are_those_of_its_answers(make_story: Make) -> None:
    story = make_story()
    assert story.metric == "mae"
    assert [w.number for w in story.windows] == list(range(2, 14))
    means = [w.loss.champion for w in story.windows]
    assert story.totals.mean.champion == pytest.approx(np.mean(np.array(means, dtype=float)))
    assert story.totals.rows == 12 * 40
    assert story.matrix.versions == ("1", "2")
    assert story.windows[3].loss.frozen == pytest.approx(story.matrix.loss[0][3])
    assert story.totals.seconds_window_10 == 1.1
    assert story.totals.seconds_window_100 is None
    assert story.totals.deploy_cost is None


def test_decisions_are_counted(make_story: Make) -> None:
    what = "retrained", "waits for approval", "approved", "retrained", "promoted", "quarantined"
    totals = make_story(*what, "rolled back", "refused", "heard of").totals
    assert (totals.retrains, totals.promotions, totals.rollbacks) == (2, 2, 1)
    assert (totals.refusals, totals.quarantined) == (1, 1)


def test_what_the_wait_for_a_deployment_costs(make_story: Make) -> None:
    story = make_story(deploy_lag=1)
    assert story.totals.deploy_cost == 0.0  # both versions are the same model
    assert {w.deploy_cost for w in story.windows} == {0.0}

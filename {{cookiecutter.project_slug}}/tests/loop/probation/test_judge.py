"""A probation beside a real service: passed, rolled back, and neither where nothing is known."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sql

from ml.bundle import CHALLENGER
from ml.journal.records import SHADOW, SHADOW_SUFFIX
from ml.journal.store import Journal
from ml.loop.probation import judge as probation
from ml.loop.probation.judge import READINGS, Promoted
from ml.monitoring.inputs.reference import Champion
from ml.params import Params, load_params
from tests.serving.conftest import CLASSIFICATION, Running, Start, point, sample_rows
from tests.serving.inference.failing_models import FAILS_AT, write_failing_release

DAY = 86_400.0
ROWS = sample_rows(CLASSIFICATION, 50)


def settings_of(url: str, **changes: object) -> Params:
    """The project's settings, small windows, and this service."""
    params = load_params()
    small = {"min_requests": 20, "min_labels": 40, **changes}
    mine = params.loop.probation.model_copy(update=small)
    loop = params.loop.model_copy(update={"service": url, "probation": mine})
    return params.model_copy(update={"loop": loop})


def champion(version: str) -> Champion:
    """What a judgement needs of the new champion."""
    return Champion(
        name="churn",
        version=version,
        released_at="",
        contract=CLASSIFICATION,
        metric="roc_auc",
        importance={},
        reference=pd.DataFrame(),
        outcome=np.zeros(1),
        answer=np.array([[0.5, 0.5]]),
        profiles={},
        repeated=0.0,
    )


def ask(server: Running, row: dict[str, Any] | None = None) -> httpx2.Response:
    return httpx2.post(f"{server.url}/predict", json=row or ROWS[0])


def until(true: Callable[[], bool]) -> None:
    """Wait until it is true, for a minute at most."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def promoted(server: Running, params: Params, project: Path, version: str) -> Promoted:
    """Begin the probation of a version that follows version 1; the service answers with both."""
    for row in ROWS:
        assert ask(server, row).json()["model_version"] == "1"
    mine = Promoted(version, before="1", since=time.time())
    assert probation.begin(mine, params) is None
    point(project, version)
    until(lambda: bool(ask(server).json()["model_version"] == version))
    # the version before may be loaded as a shadow after that answer: ask until it has one too
    until(lambda: ask(server).is_success and _has_shadows(mine.since))
    return mine


def _has_shadows(since: float) -> bool:
    return any(True for _ in Journal().predictions(since, role=SHADOW))


def engine() -> sql.Engine:
    return Journal().engine


def scored(rows: int) -> list[tuple[str, str, str]]:
    """Ids that both models have answered since the promotion, with both answers."""
    journal = Journal()

    def pairs() -> list[tuple[str, str, str]]:
        shadows = {p.prediction_id: p.prediction for p in journal.predictions(role=SHADOW)}
        ours = [p for p in journal.predictions() if p.prediction_id + SHADOW_SUFFIX in shadows]
        return [
            (p.prediction_id, p.prediction, shadows[p.prediction_id + SHADOW_SUFFIX]) for p in ours
        ]

    until(lambda: len(pairs()) >= rows)
    return pairs()


def test_a_sound_champion_passes_when_both_clocks_have_seen_enough(
    start: Start, project: Path
) -> None:
    server = start()
    params = settings_of(server.url)
    mine = promoted(server, params, project, "2")
    for part in (ROWS[:25], ROWS[25:]):
        assert [ask(server, row).status_code for row in part] == [200] * 25
        early = probation.judge(engine(), champion("2"), mine, params, time.time())
        assert early.outcome == "watching"  # no outcomes yet
    Journal().add_labels([(id_, ours) for id_, ours, _ in scored(50)])
    late = probation.judge(engine(), champion("2"), mine, params, time.time())
    assert late.outcome == "passed", late.why
    assert late.evidence["quality"]["outcomes"] >= 50
    assert late.evidence["service"]["requests"] >= 50
    probation.end()
    assert not CHALLENGER.is_symlink()
    assert not READINGS.exists()
    server.stop()


def test_a_service_that_is_down_is_no_pass_and_outcomes_alone_roll_back(
    start: Start, project: Path
) -> None:
    # it answers each of these rows alike, so half of its answers are wrong
    write_failing_release(project / "serving" / "releases" / "9", "9", raises=True)
    server = start()
    params = settings_of(server.url)
    mine = promoted(server, params, project, "9")
    for row in ROWS:
        ask(server, row)
    both = scored(50)
    server.stop()
    Journal().add_labels([(id_, ours) for id_, ours, _ in both])  # as if it were right
    outcomes = []
    for days in (1, 15, 29):
        judged = probation.judge(engine(), champion("9"), mine, params, mine.since + days * DAY)
        outcomes.append(judged.outcome)
        assert judged.quality.state == "good"
        assert f"{server.url}/metrics: " in judged.why
    assert outcomes == ["watching", "extended", "ask"]
    Journal().add_labels([(id_, theirs) for id_, _, theirs in both])  # corrected later
    judged = probation.judge(engine(), champion("9"), mine, params, mine.since + DAY)
    assert judged.outcome == "roll_back"
    assert "a loss of +0." in judged.why


@pytest.mark.parametrize("raises", [False, True], ids=["not_finite", "raised"])
def test_a_champion_that_fails_is_rolled_back_and_no_request_fails(
    start: Start, project: Path, raises: bool
) -> None:
    write_failing_release(project / "serving" / "releases" / "9", "9", raises=raises)
    server = start()
    params = settings_of(server.url)
    mine = promoted(server, params, project, "9")
    answers = [ask(server, {**row, **FAILS_AT}) for row in ROWS]
    assert {a.status_code for a in answers} == {200}
    assert {a.json()["model_version"] for a in answers} == {"1"}  # the service says who answered
    judged = probation.judge(engine(), champion("9"), mine, params, time.time())
    assert judged.outcome == "roll_back"
    assert "requests failed" in judged.why
    point(project, "1")
    until(lambda: bool(httpx2.get(f"{server.url}/model").json()["version"] == "1"))
    server.stop()


def test_a_service_with_another_version_is_neither_pass_nor_fail(
    start: Start, project: Path
) -> None:
    server = start()
    params = settings_of(server.url)
    mine = promoted(server, params, project, "2")
    other = dataclasses.replace(mine, version="3")
    assert probation.begin(other, params) is None  # the readings of version 2 are not its own
    judged = probation.judge(engine(), champion("3"), other, params, time.time())
    assert judged.outcome == "watching"
    assert judged.service.why == "the service answers with version 2"
    server.stop()


def test_without_a_sound_champion_before_there_is_no_probation(project: Path) -> None:
    params = settings_of("http://127.0.0.1:1")
    why = probation.begin(Promoted("2", before="77", since=0.0), params)
    assert why is not None
    assert "77: there is no released model here" in why
    assert not CHALLENGER.is_symlink()
    off = settings_of("http://127.0.0.1:1", max_days=0.0)
    assert probation.begin(Promoted("2", "1", 0.0), off) == "loop.probation.max_days: 0"


def test_readings_that_cannot_be_read_are_none(project: Path) -> None:
    READINGS.write_text("{")
    params = settings_of("http://127.0.0.1:1")
    assert probation.begin(Promoted("2", "1", 0.0), params) is None
    judged = probation.judge(engine(), champion("2"), Promoted("2", "1", 0.0), params, DAY)
    assert judged.outcome == "watching"

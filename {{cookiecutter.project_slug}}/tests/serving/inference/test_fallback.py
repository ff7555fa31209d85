"""A champion that fails while another model is beside it: no request fails."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.contract import Contract
from ml.journal.records import FALLBACK
from ml.journal.store import Journal
from ml.release.challenger import challenge
from ml.serving.api.app import create_app
from ml.serving.settings import Settings
from tests.serving.conftest import (
    CLASSIFICATION,
    point,
    sample_rows,
    seal,
    with_serve,
    write_release,
)
from tests.serving.inference.failing_models import FAILS_AT, write_failing_release

ROWS = [{**row, "customer id": f"c{i}"} for i, row in enumerate(sample_rows(CLASSIFICATION, 6))]
HEAVY = {**ROWS[1], **FAILS_AT}

Kind = bool  # whether the champion raises; else it answers NaN
both_kinds = pytest.mark.parametrize("raises", [False, True], ids=["not_finite", "raised"])


@pytest.fixture
def failing(project: Path, settings: Settings, raises: Kind) -> Settings:
    """A project whose champion fails at heavy rows."""
    write_failing_release(project / "serving" / "releases" / "9", "9", raises=raises)
    point(project, "9")
    return settings


def started(client: TestClient, challenger: str) -> None:
    """Link a challenger and wait until it is loaded."""
    challenge(challenger)
    service: Any = client.app.service  # type: ignore[attr-defined]
    until = time.monotonic() + 60
    while service.challenger.served is None and time.monotonic() < until:
        time.sleep(0.05)


def fallbacks(client: TestClient) -> dict[str, float]:
    """Answers of the fallback by reason."""
    lines = re.findall(
        r'ml_fallback_answers_total{reason="(\w+)"} ([\d.]+)', client.get("/metrics").text
    )
    return {reason: float(value) for reason, value in lines}


@both_kinds
def test_the_challenger_answers_what_the_champion_fails_at(failing: Settings, raises: Kind) -> None:
    with TestClient(create_app(failing)) as client:
        started(client, "2")
        answers = [client.post("/predict", json=row) for row in [ROWS[0], HEAVY, ROWS[2]]]
        many = client.post("/predict", json=[ROWS[3], HEAVY]).json()
        counted = fallbacks(client)
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["model_version"] for answer in answers] == ["9", "2", "9"]
    assert [answer["model_version"] for answer in many] == ["2", "2"]  # one request, one model
    assert counted == {"not_finite": 0.0 if raises else 2.0, "raised": 2.0 if raises else 0.0}
    journal = Journal(failing.journal)
    heavy = {p.prediction_id: p for p in journal.predictions(role=FALLBACK)}
    assert {p.version for p in heavy.values()} == {"2"}
    assert [heavy[a["prediction_id"]].row_id for a in many] == ["c3", "c1"]
    assert heavy[answers[1].json()["prediction_id"]].row_id == "c1"
    assert journal.add_labels([(answers[1].json()["prediction_id"], "no")]) == (1, 0)


@both_kinds
def test_requests_that_arrive_together_fall_back_alone(failing: Settings, raises: Kind) -> None:
    import asyncio

    import httpx2

    async def ask(client: TestClient) -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app=client.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as many:
            rows = [*ROWS[:3], HEAVY, *ROWS[3:]]
            return await asyncio.gather(*(many.post("/predict", json=row) for row in rows))

    with TestClient(create_app(failing)) as client:
        started(client, "2")
        assert client.portal is not None
        answers = client.portal.call(ask, client)
    assert [answer.status_code for answer in answers] == [200] * 7
    assert [a.json()["model_version"] for a in answers] == ["9", "9", "9", "2", "9", "9", "9"]


@both_kinds
def test_without_a_challenger_the_request_fails(failing: Settings, raises: Kind) -> None:
    with TestClient(create_app(failing)) as client:
        assert client.post("/predict", json=HEAVY).status_code == 500
        assert client.post("/predict", json=ROWS[0]).status_code == 200
        assert sum(fallbacks(client).values()) == 0
    with TestClient(create_app(with_serve(failing, challenger="off"))) as client:
        challenge("2")
        assert client.post("/predict", json=HEAVY).status_code == 500


@pytest.mark.parametrize("raises", [False], ids=["not_finite"])
def test_a_challenger_that_fails_too_or_takes_other_requests_is_no_fallback(
    failing: Settings, raises: Kind
) -> None:
    releases = failing.bundle.parent / "releases"
    write_failing_release(releases / "8", "8", raises=True)
    values = json.loads(CLASSIFICATION.model_dump_json())
    values["columns"][3]["levels"].remove("it's")  # the champion's requests may have it
    write_release(releases / "7", Contract.model_validate(values), "7")
    seal(releases / "7", "7")
    for version in ("8", "7"):
        with TestClient(create_app(failing)) as client:
            started(client, version)
            assert client.post("/predict", json=HEAVY).status_code == 500
            assert client.post("/predict", json=ROWS[0]).json()["model_version"] == "9"
            assert sum(fallbacks(client).values()) == 0


@pytest.mark.parametrize("raises", [False], ids=["not_finite"])
def test_a_trial_shows_the_champions_failure(failing: Settings, raises: Kind) -> None:
    with TestClient(create_app(failing)) as client:
        started(client, "2")
        assert client.post("/predict?trial", json=HEAVY).status_code == 500

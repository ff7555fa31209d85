"""The HTTP interface, called in this process."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.errors import UserError
from ml.journal.store import Journal
from ml.serving.api.app import create_app
from ml.serving.api_keys import Keys
from ml.serving.settings import Settings

Row = dict[str, Any]


def test_unknown_paths_and_methods_have_the_same_error_shape(client: TestClient) -> None:
    for answer in (client.get("/nothing"), client.get("/predict"), client.delete("/labels")):
        assert answer.status_code in (404, 405)
        assert set(answer.json()["detail"][0]) == {"type", "loc", "msg"}


def test_with_keys_everything_but_health_needs_one(settings: Settings, row: Row) -> None:
    closed = Settings(
        settings.serve, settings.bundle, settings.journal, Keys(("one", "two"), None, 0)
    )
    with TestClient(create_app(closed)) as client:
        assert client.post("/predict", json=row).status_code == 401
        assert client.post("/predict", json=row, headers={"X-API-Key": "onetwo"}).status_code == 401
        assert client.get("/model").status_code == 401
        assert client.post("/predict", json=row, headers={"X-API-Key": "one"}).status_code == 200
        assert client.get("/model", headers={"Authorization": "Bearer two"}).status_code == 200
        assert client.get("/health/ready").status_code == 200


def test_a_regression_answers_a_number(settings: Settings, project: Path) -> None:
    regression = dataclasses.replace(settings, bundle=project / "serving/releases/r")
    with TestClient(create_app(regression)) as client:
        answer = client.post("/predict", json={"a": 3.5, "b": "y"}).json()
        assert isinstance(answer["prediction"], float)
        assert "probabilities" not in answer
        assert client.post(
            "/labels", json={"prediction_id": answer["prediction_id"], "outcome": 4}
        ).is_success
        assert (
            client.post("/labels", json={"prediction_id": "x", "outcome": "4"}).status_code == 422
        )
    (kept,) = Journal(settings.journal).labelled()
    assert kept.outcome == 4.0


def test_no_bundle_is_told_with_the_next_command(settings: Settings, project: Path) -> None:
    (project / "serving/champion").unlink()
    with pytest.raises(UserError, match=r"serving/champion: there is no released model") as raised:
        create_app(settings)
    assert "make release" in raised.value.then

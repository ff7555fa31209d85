"""Logs as JSON lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.serving.api.app import create_app
from ml.serving.settings import Settings
from tests.serving.conftest import with_serve

Row = dict[str, Any]


def test_answers_are_logged_as_json_lines_when_asked(
    settings: Settings, row: Row, capsys: pytest.CaptureFixture[str]
) -> None:
    with TestClient(create_app(with_serve(settings, log_answers=True))) as client:
        answered = client.post("/predict", json=row).json()
    line = json.loads(capsys.readouterr().out)
    assert line["prediction_ids"] == [answered["prediction_id"]]
    assert line["versions"] == ["1"]

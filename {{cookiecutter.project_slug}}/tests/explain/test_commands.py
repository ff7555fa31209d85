"""`ml explain`: a recorded answer, explained by the version that gave it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ml.errors import UserError
from ml.explain.commands import explain
from ml.serving.api.app import create_app
from tests.serving.conftest import (
    CLASSIFICATION,
    live_in_served_project,
    point,
    sample_rows,
    settings_of,
)

ROWS = sample_rows(CLASSIFICATION, 3)


@pytest.fixture
def project(releases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return live_in_served_project(releases, tmp_path, monkeypatch)


def test_it_is_what_the_service_says_also_of_a_row_of_a_batch_after_another_release(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TestClient(create_app(settings_of(project))) as client:
        asked = [{**row, "customer id": f"c{i}"} for i, row in enumerate(ROWS)]
        ids = [answer["prediction_id"] for answer in client.post("/predict", json=asked).json()]
        due = client.post("/explain", json=asked).json()
    point(project, "2")
    explain(ids[2], as_json=True)
    assert json.loads(capsys.readouterr().out) == {"prediction_id": ids[2], **due[2]}
    explain(ids[0], "plan=basic")
    said = capsys.readouterr().out
    assert "version 1; reference plan=basic, " in said
    assert "monthly charge = " in said
    assert "; exact; in units of probability" in said


def test_mistakes_are_told_in_a_sentence(project: Path) -> None:
    with pytest.raises(UserError, match="nobody: the journal holds no such prediction"):
        explain("nobody")
    with TestClient(create_app(settings_of(project))) as client:
        answer = client.post("/predict", json=ROWS[0]).json()
    with pytest.raises(UserError, match='reference "plan=gold" is not known'):
        explain(answer["prediction_id"], "plan=gold")
    point(project, "2")
    shutil.rmtree(project / "serving/releases/1")
    with pytest.raises(UserError, match="version 1 answered it, and serving/releases/1 is not"):
        explain(answer["prediction_id"])

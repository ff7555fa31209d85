"""`POST /explain` explains what `POST /predict` answers, and records nothing."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from starlette.testclient import TestClient

from ml.journal.store import Journal
from ml.serving.api.app import create_app
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, sample_rows, seal
from tests.serving.protocols import message_of

ROWS = sample_rows(CLASSIFICATION, 4)
V1 = "/v1/models/churn:explain"


def test_the_number_that_is_served_is_explained(client: TestClient, settings: Settings) -> None:
    answers = client.post("/predict", json=ROWS).json()
    count = Journal(settings.journal).count()
    explained = client.post("/explain", json=ROWS).json()
    for answer, found in zip(answers, explained, strict=True):
        label = found["explained"]["class"]
        assert found["explained"]["answer"] == answer["probabilities"][label]
        assert found["prediction"] == answer["prediction"]
        assert found["model_version"] == answer["model_version"]
    assert client.post("/explain", json=ROWS[0]).json() == explained[0]  # and of its shape
    assert Journal(settings.journal).count() == count
    page = client.get("/metrics").text
    assert 'ml_requests_total{status="200"} 1.0' in page
    assert "ml_explain_seconds_count 2.0" in page


def test_kserves_route_answers_the_same(client: TestClient) -> None:
    plain = client.post("/explain?reference=plan%3Dbasic", json=ROWS).json()
    same = client.post(f"{V1}?reference=plan%3Dbasic", json={"instances": ROWS}).json()
    assert same == {"explanations": plain}
    arrays = [[row[name] for name in CLASSIFICATION.names] for row in ROWS]
    of_arrays = client.post(f"{V1}?reference=plan%3Dbasic", json={"instances": arrays}).json()
    assert of_arrays == same


def test_mistakes_are_told(client: TestClient) -> None:
    wrong = client.post("/explain", json={**ROWS[0], "class": "x"})
    assert 'column "class": "x" is not a whole number' in message_of(wrong, 422)
    many = client.post("/explain", json=sample_rows(CLASSIFICATION, 21))
    assert "a request holds at most 20 rows" in message_of(many, 422)
    unknown = client.post("/explain?reference=plan%3Dgold", json=ROWS[0])
    assert 'reference "plan=gold" is not known; there are: "all"' in message_of(unknown, 422)
    other = client.post("/v1/models/other:explain", json={"instances": ROWS})
    assert "there is model 'churn'" in message_of(other, 404)
    assert client.get("/explain").status_code == 405
    assert client.post("/explain", content=b"{}").status_code == 415


def test_a_release_without_rows_to_compare_with_answers_and_explains_nothing(
    settings: Settings, project: Path
) -> None:
    old = Path(shutil.copytree(project / "serving/releases/1", project / "old"))
    (old / "explain.npy").unlink()
    seal(old, "1")
    with TestClient(create_app(dataclasses.replace(settings, bundle=old))) as client:
        assert client.post("/predict", json=ROWS[0]).status_code == 200
        refused = client.post("/explain", json=ROWS[0])
        assert "version 1 holds no rows to compare with" in message_of(refused, 409)


def test_it_can_be_switched_off(settings: Settings) -> None:
    with TestClient(create_app(dataclasses.replace(settings, explain=None))) as client:
        refused = client.post("/explain", json=ROWS[0])
        assert "explain.max_waiting of params.yaml is 0" in message_of(refused, 404)
        assert client.post("/predict", json=ROWS[0]).status_code == 200

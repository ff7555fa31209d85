"""KServe's first protocol answers as POST /predict does."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from ml.journal.store import Journal
from ml.serving.inference.service import Service
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, sample_rows
from tests.serving.protocols import V1, message_of

ROWS = sample_rows(CLASSIFICATION, 5)


def test_it_answers_as_predict_does_and_journals(client: TestClient, settings: Settings) -> None:
    answer = client.post(V1, json={"instances": ROWS}).json()
    plain = client.post("/predict", json=ROWS).json()
    assert answer["predictions"] == [a["prediction"] for a in plain]
    assert answer["model_version"] == "1"
    kept = {p.prediction_id for p in Journal(settings.journal).predictions()}
    assert set(answer["prediction_ids"]) < kept
    assert 'ml_requests_total{status="200"} 2.0' in client.get("/metrics").text


def test_instances_may_be_arrays_in_the_contracts_order(client: TestClient) -> None:
    arrays = [[row[name] for name in CLASSIFICATION.names] for row in ROWS]
    named = client.post(V1, json={"instances": ROWS}).json()
    assert client.post(V1, json={"instances": arrays}).json()["predictions"] == named["predictions"]


def test_the_model_is_listed_and_ready(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/v1/models").json() == {"models": ["churn"]}
    assert client.get("/v1/models/churn").json() == {"name": "churn", "ready": True}
    monkeypatch.setattr(Service, "not_ready", "no journal")
    assert client.get("/v1/models/churn").status_code == 503


def test_mistakes_are_told(client: TestClient) -> None:
    assert "instances: Field required" in message_of(client.post(V1, json={}), 422)
    short = client.post(V1, json={"instances": [[1]]})
    assert "row 0 has 1 values for 7 columns" in message_of(short, 422)
    wrong = client.post(V1, json={"instances": [{**ROWS[0], "class": "x"}]})
    assert 'column "class": "x" is not a whole number' in message_of(wrong, 422)
    other = client.post("/v1/models/other:predict", json={"instances": ROWS})
    assert "there is model 'churn'" in message_of(other, 404)
    assert "instances: Field" in message_of(client.post("/v1/models/churn:explain", json={}), 422)

"""The description of the API: typed by the contract, made once for a model."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from ml.bundle import load_bundle
from ml.serving.api.app import create_app
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION


def test_the_description_is_typed_by_the_contract(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    body = operation["requestBody"]["content"]["application/json"]
    assert list(body["schema"]["anyOf"][0]["properties"]) == [*CLASSIFICATION.names, "customer id"]
    for example in body["examples"].values():
        assert client.post("/predict", json=example["value"]).status_code == 200


def test_the_description_is_made_once_for_a_model(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request for /openapi.json made it anew before, 10 ms of the event loop."""
    app = create_app(settings)
    with TestClient(app) as client:
        first = client.get("/openapi.json").json()
        monkeypatch.setattr("ml.serving.api.openapi._schema", lambda *_: {})
        assert client.get("/openapi.json").json() == first
        app.service.use(load_bundle(settings.bundle))  # another model
        assert client.get("/openapi.json").json() == {}

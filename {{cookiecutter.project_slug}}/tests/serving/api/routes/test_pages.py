"""The pages for people: whole in themselves, and asking this service only."""

from __future__ import annotations

import dataclasses
import re

import pytest
from starlette.testclient import TestClient

from ml.journal.store import Journal
from ml.serving.api.app import create_app
from ml.serving.api_keys import Keys
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, sample_rows


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_needs_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert not re.findall(
        r"(?:https?:)?//[a-z]|<link (?!rel=.icon. href=.data:,.>)|@import|src=", page.text
    )


def test_what_a_page_asks_for_is_answered(client: TestClient) -> None:
    asked = set()
    for path in ("/", "/docs"):
        asked |= set(re.findall(r'(?:call|fetch)\("(/[a-z.]+)', client.get(path).text))
    assert asked == {"/explain", "/model", "/openapi.json", "/predict"}
    assert client.get("/model").is_success
    assert client.get("/openapi.json").is_success


def test_what_is_tried_on_the_page_is_no_traffic(client: TestClient, settings: Settings) -> None:
    tried = client.post("/predict?trial", json=sample_rows(CLASSIFICATION, 1)[0]).json()
    journal = Journal(settings.journal)
    assert list(journal.predictions()) == []
    assert [(p.prediction_id, p.role) for p in journal.predictions(role=None)] == [
        (tried["prediction_id"], "trial")
    ]


def test_with_keys_the_page_opens_and_shows_nothing(settings: Settings) -> None:
    closed = dataclasses.replace(settings, keys=Keys(("secret",), None, 0))
    with TestClient(create_app(closed)) as client:
        assert client.get("/").status_code == 200
        assert client.get("/model").status_code == 401
        assert client.get("/openapi.json").status_code == 401

"""Hostile bodies: each route that reads one refuses them alike, never with a 500."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.journal.store import Journal
from ml.serving.api.app import create_app
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, sample_rows, with_serve
from tests.serving.protocols import INFER, INVOCATIONS, V1, message_of, tensors

JSON = {"content-type": "application/json"}
ROW = {**sample_rows(CLASSIFICATION, 1)[0], "customer id": "c1", "monthly charge": 11.25}
BODIES: dict[str, Any] = {
    "/predict": ROW,
    "/labels": {"prediction_id": "c1", "outcome": "no"},
    INFER: {"id": "c1", "inputs": tensors([ROW])},
    INVOCATIONS: {"dataframe_records": [ROW]},
    V1: {"instances": [ROW]},
}
ROUTES = list(BODIES)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"c1"', '"\\ud800"'),  # half a character
        ('"c1"', '"\xff"'),
        ('"c1"', "1" + "0" * 5000),
        ("{", "[" * 100_000),
        ("}", "} {}"),
        ("}", ""),
        ('"c1"', "'c1'"),
        (': "c1"', ': "c1" "c1"'),
    ],
)
def test_what_is_no_json_is_refused(client: TestClient, route: str, old: str, new: str) -> None:
    body = json.dumps(BODIES[route]).replace(old, new)
    answer = client.post(route, content=body.encode("latin-1"), headers=JSON)
    assert message_of(answer, 422).startswith("not valid JSON: ")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999", "1e39", "1" + "0" * 400])
@pytest.mark.parametrize("route", ["/predict", INFER])
def test_a_number_that_the_model_cannot_hold_is_refused(
    client: TestClient, route: str, number: str
) -> None:
    body = json.dumps(BODIES[route]).replace("11.25", number)
    answer = client.post(route, content=body, headers=JSON)
    assert "is not a finite number" in message_of(answer, 422)


@pytest.mark.parametrize("outcome", ["NaN", "1e999", "1" + "0" * 400, "null", "{}", '"no\\u0000"'])
def test_an_outcome_that_is_none_is_refused(client: TestClient, outcome: str) -> None:
    body = json.dumps(BODIES["/labels"]).replace('"no"', outcome)
    assert client.post("/labels", content=body, headers=JSON).status_code == 422


@pytest.mark.parametrize(
    ("route", "name"), [("/predict", "customer id"), ("/labels", "prediction_id")]
)
def test_no_id_holds_what_postgresql_would_refuse(
    client: TestClient, route: str, name: str
) -> None:
    assert client.post(route, json={**BODIES[route], name: "a\0b"}).status_code == 422


def test_of_a_key_sent_twice_the_last_value_holds(client: TestClient, settings: Settings) -> None:
    twice = json.dumps(ROW)[:-1] + ', "monthly charge": 70.5}'
    answer = client.post("/predict", content=twice, headers=JSON).json()
    once = client.post("/predict", json={**ROW, "monthly charge": 70.5}).json()
    assert answer["probabilities"] == once["probabilities"]
    kept = {p.prediction_id: p for p in Journal(settings.journal).predictions()}
    # what is kept is what was answered
    assert kept[answer["prediction_id"]].features["monthly charge"] == 70.5


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/jsonl"},
        {"content-type": "application/json", "content-encoding": "br"},
    ],
)
def test_another_content_is_refused(
    client: TestClient, route: str, headers: dict[str, str]
) -> None:
    answer = client.post(route, content=json.dumps(BODIES[route]), headers=headers)
    assert message_of(answer, 415).startswith("send ")


@pytest.mark.parametrize("route", ROUTES)
def test_a_bomb_is_not_unpacked(client: TestClient, route: str) -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    answer = client.post(route, content=bomb, headers={**JSON, "content-encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("route", ROUTES)
def test_a_body_is_read_up_to_the_limit(settings: Settings, route: str) -> None:
    body = json.dumps(BODIES[route]).encode()

    def in_pieces(size: int) -> Iterator[bytes]:  # without a length that could be looked at first
        yield body
        yield b" " * (size - len(body))

    with TestClient(create_app(with_serve(settings, max_body_bytes=5000))) as client:
        assert client.post(route, content=in_pieces(5000), headers=JSON).status_code == 200
        assert client.post(route, content=in_pieces(5001), headers=JSON).status_code == 413
        assert client.post(route, content=body + b" " * 5000, headers=JSON).status_code == 413

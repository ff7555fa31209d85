"""The HTTP interface, called in this process."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from ml.bundle import load_bundle
from ml.errors import UserError
from ml.journal.store import Journal
from ml.serving.api.app import create_app
from ml.serving.api_keys import Keys
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, sample_rows

Row = dict[str, Any]


def test_one_row_is_answered_as_the_model_answers(
    client: TestClient, row: Row, settings: Settings
) -> None:
    answer = client.post("/predict", json=row).json()
    bundle = load_bundle(settings.bundle)
    expected = bundle.answer(bundle.encoder.rows([row]))[0]
    assert answer["model_version"] == "1"
    assert list(answer["probabilities"]) == list(CLASSIFICATION.target.classes)
    assert np.array_equal(np.array(list(answer["probabilities"].values()), np.float32), expected)
    assert answer["prediction"] == CLASSIFICATION.target.classes[int(expected.argmax())]


def test_many_rows_are_answered_in_order_and_alike(client: TestClient) -> None:
    rows = sample_rows(CLASSIFICATION, 700)  # above 32 kB: answered off the event loop
    many = client.post("/predict", json=rows).json()
    alone = [client.post("/predict", json=row).json() for row in rows[:20]]
    assert [a["probabilities"] for a in many[:20]] == [a["probabilities"] for a in alone]
    assert len({a["prediction_id"] for a in many}) == 700


def test_what_was_answered_is_in_the_journal(
    client: TestClient, row: Row, settings: Settings
) -> None:
    sent = {**row, "customer id": 17}
    answer = client.post("/predict", json=sent).json()
    (kept,) = Journal(settings.journal).predictions()
    assert kept.prediction_id == answer["prediction_id"]
    assert (kept.version, kept.role, kept.row_id) == ("1", "champion", "17")
    assert kept.features == row
    assert kept.prediction == answer["prediction"]
    assert kept.probabilities == answer["probabilities"]


def test_an_absent_time_is_now(client: TestClient, row: Row, settings: Settings) -> None:
    del row["month"]
    assert client.post("/predict", json=row).status_code == 200
    (kept,) = Journal(settings.journal).predictions()
    moment = np.datetime64(kept.features["month"]).astype("datetime64[ms]").astype(float) / 1000
    assert abs(moment - kept.at) < 5


def test_a_missing_value_may_be_absent_or_null(client: TestClient, row: Row) -> None:
    null = client.post("/predict", json={**row, "monthly charge": None}).json()
    del row["monthly charge"]
    assert client.post("/predict", json=row).json()["probabilities"] == null["probabilities"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"monthly charge": "12"}, 'column "monthly charge": "12" is not a finite number'),
        ({"monthly charge": True}, 'column "monthly charge": true is not a finite number'),
        (
            {"monthly charge": 1e39},
            'column "monthly charge": 1e+39 is not a finite number within ±3.4e+38 or null',
        ),
        ({"class": 3.5}, 'column "class": 3.5 is not a whole number'),
        ({"class": None}, 'column "class": null is not a whole number'),
        ({"été.2024": 1}, 'column "été.2024": 1 is not true or false'),
        ({"plan": "gold"}, 'column "plan": "gold" is not one of "basic", "plus", "it\'s"'),
        ({"month": "soon"}, 'column "month": "soon" is not an ISO 8601 moment'),
        ({"month": "0001-01-01T00:00:00+23:00"}, "is not an ISO 8601 moment"),
        ({"clas": 3}, 'column "clas" is not in the contract; did you mean "class"?'),
        (
            {"customer id": [1]},
            'column "customer id": an array is not a text without NUL of at most 512 characters',
        ),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    client: TestClient, row: Row, change: Row, says: str
) -> None:
    answer = client.post("/predict", json=[row, {**row, **change}])
    assert answer.status_code == 422
    (detail,) = answer.json()["detail"]
    assert set(detail) == {"type", "loc", "msg"}
    assert says in detail["msg"]
    assert detail["loc"][:3] == ["body", 1, next(iter(change))]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not valid JSON"),
        (b'{"class": NaN}', "NaN is not a whole number"),
        (b'{"class": 1e999}', "Infinity is not a whole number"),
        (
            b'{"class": 1' + b"0" * 400 + b"}",
            "a number of more than 70 digits is not a whole number",
        ),
        (b"[" * 100_000, "recursion limit"),
        (b"7", "expected one row"),
        (b"[[]]", "expected one row"),
        (b'{"class": "\xff"}', "not valid JSON"),
        (b'{"note": "\\ud800"}', "not valid JSON"),
    ],
)
def test_a_body_that_holds_no_row_is_refused(client: TestClient, body: bytes, says: str) -> None:
    answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert says in " ".join(d["msg"] for d in answer.json()["detail"])


def test_what_is_whole_or_pooled_is_accepted(client: TestClient, row: Row) -> None:
    assert client.post(
        "/predict", json={**row, "class": 3.0, "city": "Atlantis", "monthly charge": 7}
    ).is_success
    assert client.post("/predict", json=[]).json() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_only_plain_json_is_read(
    client: TestClient, row: Row, headers: dict[str, str], status: int
) -> None:
    assert client.post("/predict", content=json.dumps(row), headers=headers).status_code == status


def test_limits_of_size_and_rows(client: TestClient, row: Row, settings: Settings) -> None:
    too_many = client.post("/predict", json=[row] * (settings.serve.max_rows + 1))
    assert too_many.status_code == 422
    assert "at most 10000 rows" in too_many.json()["detail"][0]["msg"]
    huge = b" " * (settings.serve.max_body_bytes + 1)
    assert (
        client.post(
            "/predict", content=huge, headers={"content-type": "application/json"}
        ).status_code
        == 413
    )


def test_a_label_over_http(client: TestClient, row: Row, settings: Settings) -> None:
    known = client.post("/predict", json=row).json()["prediction_id"]
    assert client.post("/labels", json={"prediction_id": known, "outcome": "no"}).json() == {
        "recorded": 1,
        "unknown": 0,
    }
    both = [
        {"prediction_id": known, "outcome": 'yes, "100%"'},
        {"prediction_id": "elsewhere", "outcome": "no"},
    ]
    assert client.post("/labels", json=both).json() == {"recorded": 2, "unknown": 1}
    (kept,) = Journal(settings.journal).labelled()
    assert kept.outcome == 'yes, "100%"'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"prediction_id": "a", "outcome": "maybe"}, 422),
        ({"prediction_id": "a", "outcome": 7}, 422),
        ({"prediction_id": "a"}, 422),
        ({"prediction_id": 3, "outcome": "no"}, 422),
    ],
)
def test_a_wrong_label_is_refused(
    client: TestClient, body: Row, status: int, settings: Settings
) -> None:
    answer = client.post("/labels", json=body)
    assert answer.status_code == status
    assert all(set(d) == {"type", "loc", "msg"} for d in answer.json()["detail"])
    assert list(Journal(settings.journal).labelled()) == []


def test_health_and_model(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready", "version": "1"}
    model = client.get("/model").json()
    assert model["version"] == "1"
    assert model["lineage"]["git_commit"] == "0" * 40
    assert model["metrics"] == {"roc_auc": 0.9}
    assert [c["name"] for c in model["contract"]["columns"]] == CLASSIFICATION.names


def test_metrics_count_answers_and_refusals(client: TestClient, row: Row) -> None:
    client.post("/predict", json=[row, row])
    client.post("/predict", json={})
    page = client.get("/metrics").text
    assert 'ml_requests_total{status="200"} 1.0' in page
    assert 'ml_requests_total{status="422"} 1.0' in page
    assert 'ml_rows_total{role="champion",version="1"} 2.0' in page
    assert "ml_journal_rows_total 2.0" in page


def test_the_description_is_typed_by_the_contract(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    body = operation["requestBody"]["content"]["application/json"]
    assert list(body["schema"]["anyOf"][0]["properties"]) == [*CLASSIFICATION.names, "customer id"]
    for example in body["examples"].values():
        assert client.post("/predict", json=example["value"]).status_code == 200


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

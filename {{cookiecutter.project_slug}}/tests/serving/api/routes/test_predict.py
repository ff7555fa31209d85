"""`POST /predict`: what is answered, journaled and refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from ml.bundle import load_bundle
from ml.journal.store import Journal
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

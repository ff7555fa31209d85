"""The routes of `mlflow models serve`: each form of a table, and what its mistakes say."""

from __future__ import annotations

import json
from typing import Any

import mlflow
import pandas as pd
import pytest
from starlette.testclient import TestClient

from ml.journal.store import Journal
from ml.serving.api.routes.mlflow import VERSION
from ml.serving.inference.service import Service
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, sample_rows
from tests.serving.protocols import INVOCATIONS, message_of

Row = dict[str, Any]
ROWS: list[Row] = sample_rows(CLASSIFICATION, 12)
ROWS[1].update({"monthly charge": None, "city": None, "note": None})
FRAME = pd.DataFrame(ROWS)
CSV = {"content-type": "text/csv"}


def expected(client: TestClient) -> list[Any]:
    """What `POST /predict` answers."""
    return [answer["prediction"] for answer in client.post("/predict", json=ROWS).json()]


FORMS = {
    "dataframe_split": FRAME.astype(object).where(FRAME.notna(), None).to_dict(orient="split"),
    "dataframe_records": ROWS,
    "instances": ROWS,
    "inputs": {name: [row[name] for row in ROWS] for name in CLASSIFICATION.names},
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_answered_as_predict_does_and_journaled(
    client: TestClient, settings: Settings, form: str
) -> None:
    answer = client.post(INVOCATIONS, json={form: FORMS[form]}).json()
    assert answer["predictions"] == expected(client)
    kept = {p.prediction_id: p for p in Journal(settings.journal).predictions()}
    assert [kept[i].features["class"] for i in answer["prediction_ids"]] == [
        row["class"] for row in ROWS
    ]


def test_a_frame_as_mlflows_client_sends_it(client: TestClient) -> None:
    """Missing values are NaN, and `params` are of no model here."""
    body = json.dumps({"dataframe_split": FRAME.to_dict(orient="split"), "params": {"a": 1}})
    assert "NaN" in body
    answer = client.post(INVOCATIONS, content=body, headers={"content-type": "application/json"})
    assert answer.json()["predictions"] == expected(client)


@pytest.mark.parametrize("index", [True, False])
def test_csv_as_pandas_writes_it(client: TestClient, index: bool) -> None:
    text = FRAME.to_csv(index=index)
    answer = client.post(INVOCATIONS, content=text.encode(), headers=CSV)
    assert answer.json()["predictions"] == expected(client)
    with_charset = {"content-type": "text/csv; charset=utf-8"}
    assert client.post(INVOCATIONS, content=text.encode(), headers=with_charset).status_code == 200


def test_one_row_as_scalars(client: TestClient) -> None:
    answer = client.post(INVOCATIONS, json={"inputs": ROWS[0]}).json()
    assert answer["predictions"] == expected(client)[:1]


def test_the_whole_table_may_be_sent(client: TestClient) -> None:
    """The target stands in the frames that people have at hand."""
    whole = FRAME.assign(churned="no").astype(object).where(FRAME.notna(), None)
    answer = client.post(INVOCATIONS, json={"dataframe_records": whole.to_dict(orient="records")})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, 'send exactly one of "dataframe_split", "dataframe_records", "instances", "inputs"'),
        ({"instances": ROWS, "inputs": ROWS}, 'here: "instances", "inputs"'),
        ([1], "Input should be an object"),
        ({"dataframe_records": {}}, "dataframe_records: Input should be a valid array"),
        ({"dataframe_split": {"data": []}}, "dataframe_split.columns: Field required"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "row 0 has 2 values for 1"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, "a column is named twice"),
        ({"inputs": {"a": [1], "b": [1, 2]}}, "columns differ in length"),
        ({"dataframe_records": [{**ROWS[0], "clas": 1}]}, 'did you mean "class"?'),
        ({"dataframe_records": [{**ROWS[0], "class": 1.5}]}, "1.5 is not a whole number"),
    ],
)
def test_mistakes_are_told(client: TestClient, body: Any, says: str) -> None:
    assert says in message_of(client.post(INVOCATIONS, json=body), 422)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "there is no header"),
        (b"\xff\xfe", "not valid CSV"),
        (b'a,"b\n1,2', "not valid CSV"),
        (b"class,plan\n1", "row 0 has 1 values for 2 columns"),
        (b"class,class\n1,2", "a column is named twice"),
        (FRAME.assign(**{"class": "1_0"}).to_csv(index=False).encode(), '"1_0" is not a whole'),
        (FRAME.assign(**{"class": "inf"}).to_csv(index=False).encode(), "is not a whole number"),
        (FRAME.assign(**{"class": ""}).to_csv(index=False).encode(), "null is not a whole number"),
    ],
)
def test_mistakes_in_csv_are_told(client: TestClient, text: bytes, says: str) -> None:
    assert says in message_of(client.post(INVOCATIONS, content=text, headers=CSV), 422)


def test_other_bodies_are_refused(client: TestClient) -> None:
    parquet = {"content-type": "application/vnd.apache.parquet"}
    answer = client.post(INVOCATIONS, content=b"PAR1", headers=parquet)
    assert "application/json" in message_of(answer, 415)
    assert answer.json()["error_code"] == "BAD_REQUEST"


def test_probes_answer_as_mlflows_do(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("/ping", "/health"):
        assert (client.get(path).status_code, client.get(path).text) == (200, "\n")
    assert client.get("/version").text == VERSION
    assert VERSION.split(".")[0] == mlflow.__version__.split(".")[0]
    monkeypatch.setattr(Service, "not_ready", "no journal")
    assert client.get("/ping").status_code == 503

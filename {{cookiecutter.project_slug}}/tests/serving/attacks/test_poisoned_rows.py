"""Attacks by rows that are answered and later stop the monitor, retraining or the gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.contract import MAX_LEVEL_LENGTH, MAX_TEXT_LENGTH
from ml.dataset.reader import RAW
from ml.encode import parse_moment
from ml.journal.bulk.scan import Span, chunks
from ml.journal.store import Journal
from ml.loop.journal_part import labelled_part, write_part
from ml.params import load_params
from ml.pipeline import ingest, validate
from tests.conftest import read_frame
from tests.serving.conftest import CLASSIFICATION, sample_rows

SPELLINGS = [  # what datetime.fromisoformat takes
    "2025-06-02", "2025-W23-1", "20250602",
    "2025W231", "2025-W23", "2025-06-02T10", "2025-06-02T10:10",
    "2025-06-02T10:10:10", "2025-06-02T10:10:10,5",
    "2025-06-02T10:10:10.5", "2025-06-02T10:10:10.123456789",
    "20250602T101010", "2025-06-02T10:10:10Z",
    "2025-06-02T10:10:10+0100", "2025-06-02T10:10:10+01:00:30",
    "2025-06-02 10:10:10", "2025-06-02_10:10:10", "2025-06-02t10:10:10", "2025-06-02\u202810:10:10",
    "2025-W23-1T10:10",
]  # fmt: skip


@pytest.fixture
def ahead() -> Callable[[float], str]:
    """A moment so many hours ahead of the clock."""
    return lambda hours: (
        (datetime.now(UTC) + timedelta(hours=hours)).replace(tzinfo=None).isoformat()
    )


def tensors_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """A row as the inputs of a /v2 request."""
    return [{"name": n, "shape": [1], "datatype": "BYTES", "data": [v]} for n, v in row.items()]


def test_every_spelling_of_a_moment_is_journaled_in_one_form(client: TestClient) -> None:
    """8 of 20 spellings were journaled as they came, and ended each later monitor run before."""
    rows = [
        {**row, "month": text}
        for row, text in zip(sample_rows(CLASSIFICATION, 20), SPELLINGS, strict=True)
    ]
    assert client.post("/predict", json=rows).status_code == 200
    assert [client.post("/predict", json=row).status_code for row in rows] == [200] * 20
    with closing(Journal()) as journal:
        kept = [p.features["month"] for p in journal.predictions()]
        read = list(chunks(journal.engine, Span(0.0, 1e11), CLASSIFICATION))
    # answers of one millisecond come in any order
    assert sorted(kept) == sorted([parse_moment(text).isoformat() for text in SPELLINGS] * 2)
    assert sum(chunk.table["month"].null_count for chunk in read) == 0


def test_a_labelled_text_that_reads_as_missing_stops_no_retraining(
    client: TestClient, project: Path
) -> None:
    """One labelled "NA" stopped `make retrain` and `make flow` until data/raw was edited before."""
    notes = ["NA", "", " ", "null", "\u2028", "None", "fine"]
    rows = [
        {**row, "note": note}
        for row, note in zip(sample_rows(CLASSIFICATION, 7), notes, strict=True)
    ]
    answers = client.post("/predict", json=rows).json()
    labels = [{"prediction_id": answer["prediction_id"], "outcome": "no"} for answer in answers]
    assert client.post("/labels", json=labels).json() == {"recorded": 7, "unknown": 0}
    with closing(Journal()) as journal:
        part, left_out = labelled_part(journal.labelled(), CLASSIFICATION, load_params())
    (project / "data" / "raw").mkdir(parents=True)
    write_part(part, CLASSIFICATION)
    ingest.main()
    validate.main()
    assert left_out == []
    assert read_frame(next(RAW.iterdir()), CLASSIFICATION)["note"].tolist() == notes


@pytest.mark.parametrize("moment", ["2099-01-01", "9999-12-31T23:59:59", "2099-W01-1"])
def test_no_client_dates_its_rows_behind_all_others(
    client: TestClient, row: dict[str, Any], moment: str
) -> None:
    """1,000 rows dated 2099 were 23 % of the held-out rows that the gate compares on before."""
    one = client.post("/predict", json={**row, "month": moment})
    many = client.post("/predict", json=[row, {**row, "month": moment}])
    assert (one.status_code, many.status_code) == (422, 422)
    assert [answer.json()["detail"][0]["loc"] for answer in (one, many)] == [
        ["body", "month"],
        ["body", 1, "month"],
    ]
    assert (
        "lies too far ahead of the clock (serve.max_days_ahead: 1)"
        in one.json()["detail"][0]["msg"]
    )
    with closing(Journal()) as journal:
        assert journal.count() == 0


def test_moments_within_a_day_are_answered(
    client: TestClient, row: dict[str, Any], ahead: Callable[[float], str]
) -> None:
    """The bound stays quiet: a client's clock and its time zone may differ from the server's."""
    for month in (ahead(-9000), ahead(0), ahead(23), None):
        assert client.post("/predict", json={**row, "month": month}).status_code == 200
    assert client.post("/predict", json={**row, "month": ahead(25)}).status_code == 422


@pytest.mark.parametrize(
    ("column", "limit"),
    [("note", MAX_TEXT_LENGTH), ("city", MAX_LEVEL_LENGTH), ("customer id", 512)],
)
def test_texts_and_levels_have_a_longest(
    client: TestClient, row: dict[str, Any], column: str, limit: int
) -> None:
    """A text was as long as the body, 16 MB, and went to the journal and to every report before."""
    assert client.post("/predict", json={**row, column: "é" * limit}).status_code == 200
    refused = client.post("/predict", json={**row, column: "é" * (limit + 1)})
    assert refused.status_code == 422
    message = refused.json()["detail"][0]["msg"]
    assert f'column "{column}"' in message
    assert f"at most {limit} characters" in message
    assert len(refused.content) < 1000
    tensors = tensors_of({**row, column: "é" * (limit + 1)})
    assert client.post("/v2/models/churn/infer", json={"inputs": tensors}).status_code == 400


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775808", "1" * 4300])
def test_an_id_that_is_a_number_has_a_largest(
    client: TestClient, row: dict[str, Any], number: str
) -> None:
    """4,300 digits went to the journal as a row's id before."""
    assert client.post("/predict", json={**row, "customer id": 2**63 - 1}).status_code == 200
    body = f'{json.dumps(row)[:-1]}, "customer id": {number}}}'
    refused = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert refused.status_code == 422
    assert 'column "customer id"' in refused.json()["detail"][0]["msg"]


@pytest.mark.parametrize(("key", "limit"), [("prediction_id", 200), ("outcome", MAX_LEVEL_LENGTH)])
def test_what_a_label_holds_has_a_longest(client: TestClient, key: str, limit: int) -> None:
    """An outcome was as long as the body before."""
    refused = client.post(
        "/labels", json={"prediction_id": "a", "outcome": "no", key: "n" * (limit + 1)}
    )
    assert refused.status_code == 422
    assert any(key in d["loc"] and str(limit) in d["msg"] for d in refused.json()["detail"])
    assert len(refused.content) < 2000


@pytest.mark.parametrize("key", ["id", "datatype", "name"])
def test_what_names_an_inference_has_a_longest(
    client: TestClient, row: dict[str, Any], key: str
) -> None:
    """The id of a /v2 request was as long as the body, and was repeated in the answer before."""
    tensors = tensors_of(row)
    body: dict[str, Any] = {"id": "request-1", "inputs": tensors}
    assert client.post("/v2/models/churn/infer", json=body).status_code == 200
    (body if key == "id" else tensors[0])[key] = "n" * (MAX_TEXT_LENGTH + 1)
    assert client.post("/v2/models/churn/infer", json=body).status_code == 400


def test_the_document_tells_the_limits(client: TestClient) -> None:
    """A client can read what is refused before it asks."""
    document = client.get("/openapi.json").json()
    row = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]["anyOf"][0]
    assert f'"maxLength": {MAX_TEXT_LENGTH}' in json.dumps(row["properties"]["note"])
    assert f'"maxLength": {MAX_LEVEL_LENGTH}' in json.dumps(row["properties"]["city"])

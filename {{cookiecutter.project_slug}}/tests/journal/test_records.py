"""Several answers in one row of the journal come back one by one, by their callers' ids."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.journal.records import LARGEST, SHADOW_SUFFIX, ids_of, place_of
from ml.journal.store import Journal
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, sample_rows

ID = "0123456789abcdef" * 2


@pytest.mark.parametrize("suffix", ["", SHADOW_SUFFIX])
def test_each_row_has_an_id_that_leads_to_its_place(suffix: str) -> None:
    assert ids_of(ID + suffix, 1) == [ID + suffix]
    ids = ids_of(ID + suffix, 12)
    assert ids[11] == f"{ID}-11{suffix}"
    assert [place_of(p) for p in ids] == [(ID + suffix, i) for i in range(12)]


@pytest.mark.parametrize(
    "foreign", ["p1", "", "order-17", "123e4567-e89b-12d3-a456-426614174000", f"{ID}-", f"{ID}-x"]
)
def test_an_id_that_is_not_ours_is_a_place_of_its_own(foreign: str) -> None:
    assert place_of(foreign) == (foreign, 0)


@pytest.mark.parametrize("rows", [1, 2, LARGEST, 2 * LARGEST + 3])
def test_a_request_comes_back_row_by_row(client: TestClient, settings: Settings, rows: int) -> None:
    sent = sample_rows(CLASSIFICATION, rows)
    ids = [None if i % 3 else f"c{i}\n" for i in range(rows)]
    answers = client.post(
        "/predict", json=[{**r, "customer id": i} for r, i in zip(sent, ids, strict=True)]
    ).json()
    journal = Journal(settings.journal)
    kept = {p.prediction_id: p for p in journal.predictions()}
    assert len(kept) == len(answers) == journal.count() == rows
    for answer, row, row_id in zip(answers, sent, ids, strict=True):
        one = kept[answer["prediction_id"]]
        assert one.features == row
        assert (one.prediction, one.probabilities, one.row_id) == (
            answer["prediction"],
            answer["probabilities"],
            row_id,
        )
    assert stored(settings) == -(-rows // LARGEST)


def stored(settings: Settings) -> int:
    """Rows of the table."""
    with closing(sqlite3.connect(settings.journal.removeprefix("sqlite:///"))) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM predictions").fetchone()
    return int(rows)


def test_no_rows_are_no_entry(client: TestClient, settings: Settings) -> None:
    answer = client.post("/predict", json=[])
    assert (answer.status_code, answer.json()) == (200, [])
    assert stored(settings) == 0


def answered(client: TestClient, rows: list[dict[str, Any]]) -> list[str]:
    return [a["prediction_id"] for a in client.post("/predict", json=rows).json()]


def test_a_label_finds_its_row_and_no_other(client: TestClient, settings: Settings) -> None:
    ids = answered(client, sample_rows(CLASSIFICATION, 3))
    beyond = ids[0].replace("-0", "-3")
    labels = [{"prediction_id": p, "outcome": "no"} for p in (ids[1], beyond, "elsewhere")]
    assert client.post("/labels", json=labels).json() == {"recorded": 3, "unknown": 2}
    client.post("/labels", json={"prediction_id": ids[1], "outcome": 'yes, "100%"'})
    journal = Journal(settings.journal)
    assert {p.prediction_id: p.outcome for p in journal.labelled()} == {ids[1]: 'yes, "100%"'}


def test_every_row_is_counted(client: TestClient) -> None:
    answered(client, sample_rows(CLASSIFICATION, 7))
    answered(client, sample_rows(CLASSIFICATION, 1))
    page = client.get("/metrics").text
    assert 'ml_rows_total{role="champion",version="1"} 8.0' in page
    assert "ml_journal_rows_total 8.0" in page
    assert 'ml_requests_total{status="200"} 2.0' in page

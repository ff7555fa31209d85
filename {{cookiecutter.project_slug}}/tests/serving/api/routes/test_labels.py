"""`POST /labels`: outcomes over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.journal.store import Journal
from ml.serving.settings import Settings

Row = dict[str, Any]


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

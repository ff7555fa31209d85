"""What every route with a body reads: plain JSON, up to a limit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.serving.settings import Settings

Row = dict[str, Any]


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

"""What the service counts."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

Row = dict[str, Any]


def test_metrics_count_answers_and_refusals(client: TestClient, row: Row) -> None:
    client.post("/predict", json=[row, row])
    client.post("/predict", json={})
    page = client.get("/metrics").text
    assert 'ml_requests_total{status="200"} 1.0' in page
    assert 'ml_requests_total{status="422"} 1.0' in page
    assert 'ml_rows_total{role="champion",version="1"} 2.0' in page
    assert "ml_journal_rows_total 2.0" in page

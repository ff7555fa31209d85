"""`/health/…`: what probes are told."""

from __future__ import annotations

from starlette.testclient import TestClient


def test_probes_are_answered(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready", "version": "1"}

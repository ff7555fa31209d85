"""Names under which the service is asked: an owner may let any name point to 127.0.0.1."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ml.serving.api.app import create_app
from ml.serving.settings import Settings, load_settings
from tests.serving.api.test_bodies import ROUTES
from tests.serving.attacks.conftest import JSON, SERVICE, send, written

NAMES = [
    "127.0.0.1",
    "127.0.0.1:8000",
    "localhost",
    "LOCALHOST:80",
    "[::1]",
    "[::1]:8000",
    "127.0.0.2:1",
]

OTHER_NAMES = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "10.0.0.1",
    "[::2]:8000",
    "[::1]x",
    "",
    "a:b:c",
]


@pytest.mark.parametrize("host", OTHER_NAMES)
def test_another_name_is_not_answered(loopback: TestClient, settings: Settings, host: str) -> None:
    """DNS rebinding: a page whose name points to 127.0.0.1 wrote labels: training data."""
    same = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    for route in ROUTES:
        assert send(loopback, route, {**JSON, **same}) == 403
    for path in ("/", "/model", "/metrics", "/health/ready"):
        assert loopback.get(path, headers=same).status_code == 403
    assert written(settings) == 0


@pytest.mark.parametrize("host", NAMES)
def test_each_name_of_loopback_is_answered(loopback: TestClient, host: str) -> None:
    """Whatever `--host` and `--port` a service without keys may have."""
    assert send(loopback, "/predict", {**JSON, "host": host, "origin": f"http://{host}"}) == 200
    assert loopback.get("/", headers={"host": host}).status_code == 200


def test_an_allowed_name_is_answered(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy on this machine that keeps its own name: ML_ALLOWED_HOSTS."""
    monkeypatch.setenv("ML_ALLOWED_HOSTS", "ml.example, Other.example")
    with TestClient(create_app(load_settings()), SERVICE) as client:
        statuses = [
            client.get("/model", headers={"host": h}).status_code
            for h in ("ml.example", "other.example:80")
        ]
        assert statuses == [200, 200]
        assert client.get("/model", headers={"host": "third.example"}).status_code == 403

"""Callers of the service: without keys on loopback, or with one, and what they have written."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.serving.api.app import create_app
from ml.serving.api_keys import Keys
from ml.serving.settings import Settings
from tests.serving.api.test_bodies import BODIES

KEY, OTHER, TEACHER = "a-key-of-this-test", "another-key-of-this-test", "the-key-of-a-teacher"

SERVICE = "http://127.0.0.1:8000"

JSON = {"content-type": "application/json"}


@pytest.fixture
def loopback(settings: Settings) -> Iterator[TestClient]:
    """The application without keys, asked as on loopback."""
    with TestClient(create_app(alone(settings)), SERVICE) as client:
        yield client


def alone(settings: Settings) -> Settings:
    """The settings without the name that TestClient has."""
    return dataclasses.replace(settings, allowed_hosts=frozenset())


def keyed(settings: Settings, **changes: Any) -> TestClient:
    """The application with KEY, asked as through a proxy that keeps its own name in Host."""
    closed = dataclasses.replace(alone(settings), **{"keys": Keys((KEY,), None, 0), **changes})
    return TestClient(create_app(closed), "http://upstream:9", headers={"X-API-Key": KEY})


def written(settings: Settings) -> int:
    """Rows in the journal's tables."""
    with closing(sqlite3.connect(settings.journal.removeprefix("sqlite:///"))) as journal:
        (predictions,) = journal.execute("SELECT count(*) FROM predictions").fetchone()
        (labels,) = journal.execute("SELECT count(*) FROM labels").fetchone()
        return int(predictions + labels)


def send(client: TestClient, route: str, headers: dict[str, str]) -> int:
    """Status of a POST with a valid body and these headers alone."""
    return client.post(
        route, content=json.dumps(BODIES[route]).encode(), headers=headers
    ).status_code

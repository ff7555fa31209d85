"""Tests of the journal run in the project folder of the serving tests, some with a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ml.journal.store import Journal
from tests.journal.postgresql import Database
from tests.serving.conftest import client, project, row, settings, start

__all__ = ["client", "project", "row", "settings", "start"]


@pytest.fixture
def database(cluster: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A running PostgreSQL with an empty journal, which JOURNAL_URL names."""
    monkeypatch.setenv("JOURNAL_URL", cluster.url)
    journal = Journal()
    with journal.engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE predictions, labels")
    journal.close()
    return cluster


@pytest.fixture
def journal(database: Database) -> Iterator[Journal]:
    """The empty journal, read by the test."""
    journal = Journal()
    yield journal
    journal.close()

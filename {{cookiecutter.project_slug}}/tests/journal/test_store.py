"""The journal's database: what is no journal is refused, and readers do not hold up its log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml.errors import UserError
from ml.journal.records import Record
from ml.journal.store import Journal


def _entry(number: int, at: float) -> Record:
    return Record(
        f"{number:03d}", at, "1", "champion", None, '{"plan": "basic"}', '"no"', '{"no": 1}'
    )


def test_an_export_leaves_sqlite_free_to_start_its_log_over(project: Path) -> None:
    journal = Journal()
    journal.append([_entry(i, 1.0) for i in range(3000)])
    rows = journal.predictions()
    assert next(rows).prediction_id == "000"  # the others are still to be read
    with closing(sqlite3.connect("serving/journal.db", isolation_level=None)) as shell:
        busy, *_ = shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy
    assert sum(1 for _ in rows) == 2999


def test_a_journal_of_other_columns_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("CREATE TABLE predictions (prediction_id TEXT PRIMARY KEY, at DOUBLE)")
    with pytest.raises(
        UserError, match=r"the journal is an earlier one's, without .*'rows'"
    ) as raised:
        Journal(f"sqlite:///{tmp_path}/old.db")
    assert "move it away" in raised.value.then

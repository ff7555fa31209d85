"""What is no journal is refused; a write is kept whole or not at all, and by its id."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml.errors import UserError
from ml.journal.records import Record
from ml.journal.store import Journal, JournalError
from tests.conftest import full_disk


def test_a_journal_of_other_columns_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("CREATE TABLE predictions (prediction_id TEXT PRIMARY KEY, at DOUBLE)")
    with pytest.raises(
        UserError, match=r"the journal is an earlier one's, without .*'rows'"
    ) as raised:
        Journal(f"sqlite:///{tmp_path}/old.db")
    assert "move it away" in raised.value.then


def test_a_journal_that_finds_no_room_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    with full_disk(1000), pytest.raises(UserError, match=r"journal\.db: the disk is full") as told:
        Journal(url)
    assert told.value.then == "free some space, then the same command again"
    with closing(Journal(url)) as journal:
        assert journal.count() == 0


def test_a_failed_write_is_kept_in_no_part_and_the_next_succeeds(tmp_path: Path) -> None:
    with closing(Journal(f"sqlite:///{tmp_path}/journal.db")) as journal:
        journal.append([record("a")])
        with pytest.raises(JournalError, match="UNIQUE"):
            journal.append([record("b"), record("a")])
        assert journal.problem is not None
        journal.append([record("c")])
        assert journal.problem is None
        assert [p.prediction_id for p in journal.predictions()] == ["a", "c"]


def test_the_log_has_its_size_before_the_first_write(tmp_path: Path) -> None:
    with closing(Journal(f"sqlite:///{tmp_path}/journal.db")) as journal:
        journal.preallocate_wal()
        log_bytes = (tmp_path / "journal.db-wal").stat().st_size
        journal.append([record(str(i)) for i in range(100)])
        assert (tmp_path / "journal.db-wal").stat().st_size == log_bytes > 5_000_000
        assert journal.count() == 100


def test_a_probe_leaves_nothing(tmp_path: Path) -> None:
    with closing(Journal(f"sqlite:///{tmp_path}/journal.db")) as journal:
        journal.probe()
        assert journal.count() == 0
        assert journal.bytes() > 0
        assert (journal.free_bytes() or 0) > 0


def record(prediction_id: str) -> Record:
    return Record(prediction_id, 1.0, "1", "champion", None, "{}", '"no"', None)

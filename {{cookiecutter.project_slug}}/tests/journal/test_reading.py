"""Answers are read some at a time: a reader does not hold up the journal's log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ml.journal.reading import batches, pieces
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


def test_entries_come_in_pieces_of_so_many_answers_or_some_more() -> None:
    entries = [("a", 3), ("b", 1), ("c", 5), ("d", 1)]
    assert list(pieces(entries, 4)) == [entries[:2], entries[2:3], entries[3:]]
    assert list(pieces([], 4)) == []


def test_ids_come_in_batches_that_a_statement_may_name() -> None:
    assert [len(batch) for batch in batches(range(1001))] == [500, 500, 1]

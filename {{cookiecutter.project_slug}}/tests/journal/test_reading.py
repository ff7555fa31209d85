"""Answers are read some at a time: a reader does not hold up the journal's log."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from ml.journal.reading import answered, batches, pieces
from ml.journal.records import Record, id_begin
from ml.journal.schema import PREDICTIONS
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


def test_a_stretch_of_time_is_found_by_ids_to_the_millisecond(project: Path) -> None:
    """Late entries too: an id and its moment are one reading of the clock."""
    journal, rng = Journal(), np.random.default_rng(0)
    moments = (1.7e9 + rng.integers(0, 50, 400) / 1000 + rng.choice([0, 1e-6, 9e-4], 400)).tolist()
    ids = [f"{id_begin(at)}{i:020x}" for i, at in enumerate(moments)]
    journal.append([_entry(i, at)._replace(prediction_id=ids[i]) for i, at in enumerate(moments)])
    for since, until in itertools.product(moments[:20], moments[20:40]):
        found = {p.prediction_id for p in journal.predictions(since, until)}
        inside = {i for i, at in zip(ids, moments, strict=True) if since <= at < until}
        assert found == inside


def test_time_is_looked_up_and_not_searched_for(project: Path) -> None:
    query = sa.select(PREDICTIONS.c.rows).where(*answered(1.7e9, 1.7e9 + 1))
    text = query.compile(Journal().engine, compile_kwargs={"literal_binds": True})
    with Journal().engine.connect() as connection:
        plan = connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}")).all()
    assert "SEARCH predictions USING INDEX" in str(plan), plan

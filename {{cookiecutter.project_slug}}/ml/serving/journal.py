"""The journal: every answer that was given and every outcome that became known, in two append-only tables.

Reads and writes: the database that JOURNAL_URL names (default sqlite:///serving/journal.db; PostgreSQL:
postgresql+psycopg://user@host/db). Nothing is ever updated: of several labels of one prediction the latest holds.
A request is one row (`ml.serving.entry`). Retraining and comparing read the answers through `predictions` and
`labelled`, monitoring in bulk (`ml.monitoring.reading`).
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ml.errors import UserError
from ml.serving.database import engine_of, first_line, log_of, sync, without_password
from ml.serving.entry import Entry, Outcomes, Prediction, place_of, predictions_of
from ml.serving.turn import Turn, lock_file

DEFAULT_URL = "sqlite:///serving/journal.db"
_PIECE = 1000  # answers that are read at a time
_LOG_BYTES = 5_000_000  # sqlite starts the log over at 1,000 pages of 4 kB; the rest is room for a large request

_META = sa.MetaData()
PREDICTIONS = sa.Table(
    "predictions",
    _META,
    sa.Column("prediction_id", sa.Text, primary_key=True),  # begins with its time: appended, never inserted between
    sa.Column("at", sa.Double, nullable=False),  # unix seconds
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("row_id", sa.Text),
    sa.Column("features", sa.Text, nullable=False),  # JSON object
    sa.Column("prediction", sa.Text, nullable=False),  # JSON text or number
    sa.Column("probabilities", sa.Text),  # JSON object, classification only
    sa.Column("rows", sa.Integer, nullable=False),  # more than one: the four columns above hold JSON arrays
)
LABELS = sa.Table(
    "labels",
    _META,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("prediction_id", sa.Text, nullable=False),
    sa.Column("entry_id", sa.Text, nullable=False, index=True),  # predictions.prediction_id of the row that holds it
    sa.Column("outcome", sa.Text, nullable=False),  # JSON text or number
    sa.Column("at", sa.Double, nullable=False),  # unix seconds
)


class JournalError(Exception):
    """The journal cannot be written or read now: disk full, database away. Nothing was recorded."""


def journal_url() -> str:
    """JOURNAL_URL, or the file beside the champion."""
    return os.environ.get("JOURNAL_URL") or DEFAULT_URL


class Journal:
    """A connection to the journal; one for each thread that writes.

    Args:
        url: an SQLAlchemy address; tables are created where they are missing.

    Raises:
        UserError: the address is not one, or the database cannot be opened.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url or journal_url()
        try:
            parsed = sa.make_url(self.url)
            self._turn = Turn(lock_file(parsed))
            self.engine = engine_of(parsed)
            with self._turn:
                _META.create_all(self.engine)
                columns = {column["name"] for column in sa.inspect(self.engine).get_columns(PREDICTIONS.name)}
        except (SQLAlchemyError, ImportError, OSError) as error:
            raise UserError(
                f"JOURNAL_URL {without_password(self.url)}: {first_line(error)}",
                "check JOURNAL_URL; unset, the journal is serving/journal.db",
            ) from None
        if missing := set(PREDICTIONS.c.keys()) - columns:
            raise UserError(
                f"JOURNAL_URL {without_password(self.url)}: the journal is an earlier one's, without {sorted(missing)}",
                "move it away, or name another in JOURNAL_URL",
            )
        dialect = self.engine.dialect
        self.is_file = dialect.name == "sqlite"
        self._insert = str(sa.insert(PREDICTIONS).compile(dialect=dialect))
        self._connection: Any = None
        self._log: int | None = None  # sqlite's write-ahead log

    def append(self, entries: Sequence[Entry]) -> None:
        """Make entries durable, all or none; a `JournalError` says that none is, a later call may succeed."""
        with self._turn:
            self._insert_or_raise(entries)
        self._sync()

    def append_soon(self, entries: Sequence[Entry]) -> bool:
        """`append`, unless another writer is at it for longer than a millisecond: then False, and nothing is done."""
        if not self._turn.soon():
            return False
        try:
            self._insert_or_raise(entries)
        finally:
            self._turn.leave()
        self._sync()
        return True

    def _sync(self) -> None:
        """Put what was committed on disk, when the turn is another writer's already: their syncs overlap."""
        if self._log is None:
            return
        try:
            sync(self._log)
        except OSError as error:
            self._drop()
            raise JournalError(f"journal: {first_line(error)}") from error

    def _insert_or_raise(self, entries: Sequence[Entry]) -> None:
        try:
            self._insert_all(entries)
        except Exception as error:  # each driver has its own base class
            self._drop()
            raise JournalError(f"journal: {first_line(error)}") from error

    def _insert_all(self, entries: Sequence[Entry]) -> None:
        connection = self._open()
        if self.is_file and len(entries) == 1:
            connection.execute(self._insert, entries[0])  # a statement alone is a transaction
            return
        cursor = connection.cursor()
        if self.is_file:
            cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(self._insert, entries)
        connection.commit()

    def _open(self) -> Any:
        """The driver's own connection: on this path SQLAlchemy's layers would cost as much as sqlite itself."""
        if self._connection is None:
            self._connection = self.engine.raw_connection()
            if self.is_file:
                driver = self._connection.driver_connection
                driver.isolation_level = None  # transactions begin where we say
                self._log = log_of(driver)
        return self._connection.driver_connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        log, self._log = self._log, None
        if connection is not None:
            connection.invalidate()
        if log is not None:
            os.close(log)

    def make_room(self) -> None:
        """Let sqlite's log take its usual size now: a sync that also grows a file costs ten times more."""
        if not self.is_file:
            return
        with self._turn, suppress(sqlite3.OperationalError):
            connection = self._open()
            # where the disk has no such room, nothing is lost but speed
            connection.execute("DROP TABLE IF EXISTS room")  # of a process that was killed in between
            connection.execute("CREATE TABLE room AS SELECT zeroblob(?) AS bytes", (_LOG_BYTES,))
            connection.execute("DROP TABLE room")
            connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def add_labels(self, labels: Iterable[tuple[str, Any]], at: float | None = None) -> tuple[int, int]:
        """Record outcomes by prediction id. Labels of unknown ids are kept: the prediction may be elsewhere.

        Returns:
            (labels recorded, those whose prediction is not in this journal).
        """
        now, listed = time.time() if at is None else at, list(labels)
        if not listed:
            return 0, 0
        places = [place_of(prediction_id) for prediction_id, _ in listed]
        rows = [
            {"prediction_id": p, "entry_id": entry, "outcome": json.dumps(o, ensure_ascii=False), "at": now}
            for (p, o), (entry, _) in zip(listed, places, strict=True)
        ]
        try:
            with self._turn, self.engine.begin() as connection:
                connection.execute(sa.insert(LABELS), rows)
                known = _known(connection, sorted({entry for entry, _ in places}))
        except SQLAlchemyError as error:
            raise JournalError(f"journal: {first_line(error)}") from error
        return len(rows), sum(place >= known.get(entry, 0) for entry, place in places)

    def predictions(
        self, since: float = 0.0, until: float = float("inf"), role: str | None = "champion"
    ) -> Iterator[Prediction]:
        """Answers with since <= at < until (unix seconds), oldest first, each with its latest label if there is one.

        `role` None: of every role (champion, canary, shadow).
        """
        query = sa.select(PREDICTIONS).where(PREDICTIONS.c.at >= since).order_by(PREDICTIONS.c.prediction_id)
        if until != float("inf"):
            query = query.where(PREDICTIONS.c.at < until)
        if role is not None:
            query = query.where(PREDICTIONS.c.role == role)
        with self.engine.connect() as connection:
            found = connection.execute(query, execution_options={"yield_per": 100})
            for entries in pieces(found, _PIECE):
                outcomes = latest_outcomes(connection, entries[0].prediction_id, entries[-1].prediction_id)
                for entry in entries:
                    yield from predictions_of(entry, outcomes)

    def labelled(self, since: float = 0.0, until: float = float("inf")) -> Iterator[Prediction]:
        """The champion's answers that have a label."""
        return (p for p in self.predictions(since, until) if p.labelled_at is not None)

    def remove(self, before: float, at_most: int) -> int:
        """Remove the oldest answers from before a moment (unix seconds), and their labels; returns how many.

        Args:
            before: the moment.
            at_most: answers, or as many more as their last request has.
        """
        made = PREDICTIONS.c
        old = sa.select(made.prediction_id, made.rows).where(made.at < before).order_by(made.prediction_id)
        try:
            with self._turn, self.engine.begin() as connection:
                found = next(pieces(connection.execute(old.limit(at_most)), at_most), [])
                for some in (found[i : i + 500] for i in range(0, len(found), 500)):
                    ids = [entry.prediction_id for entry in some]
                    connection.execute(sa.delete(LABELS).where(LABELS.c.entry_id.in_(ids)))
                    connection.execute(sa.delete(PREDICTIONS).where(made.prediction_id.in_(ids)))
        except SQLAlchemyError as error:
            raise JournalError(f"journal: {first_line(error)}") from error
        return sum(entry.rows for entry in found)

    def count(self) -> int:
        """Number of answers in the journal."""
        with self.engine.connect() as connection:
            return int(connection.scalar(sa.select(sa.func.sum(PREDICTIONS.c.rows))) or 0)

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
        self._drop()
        self.engine.dispose()


def pieces(entries: Iterable[Any], rows: int) -> Iterator[list[Any]]:
    """Entries (with `rows` as their last value) in lists that hold so many answers or some more, the last one fewer."""
    piece: list[Any] = []
    held = 0
    for entry in entries:
        piece.append(entry)
        held += entry[-1]
        if held >= rows:
            yield piece
            piece, held = [], 0
    if piece:
        yield piece


def latest_outcomes(connection: sa.Connection, first: str, last: str) -> Outcomes:
    """The latest label of each prediction of the entries from `first` to `last`."""
    label = LABELS.c
    query = sa.select(label.prediction_id, label.outcome, label.at).where(label.entry_id.between(first, last))
    cursor: Any = connection.execute(query.order_by(label.id)).cursor  # its tuples take half the time of SQLAlchemy's
    return {prediction_id: (outcome, at) for prediction_id, outcome, at in cursor.fetchall()}


def _known(connection: sa.Connection, ids: list[str]) -> dict[str, int]:
    """Of entries by these ids, how many rows they hold."""
    known: dict[str, int] = {}
    for start in range(0, len(ids), 500):  # sqlite bounds the variables of a statement
        some = ids[start : start + 500]
        query = sa.select(PREDICTIONS.c.prediction_id, PREDICTIONS.c.rows)
        known.update((row[0], row[1]) for row in connection.execute(query.where(PREDICTIONS.c.prediction_id.in_(some))))
    return known

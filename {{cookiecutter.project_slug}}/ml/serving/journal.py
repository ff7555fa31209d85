"""The journal: every answer that was given and every outcome that became known, in two append-only tables.

Reads and writes: the database that JOURNAL_URL names (default sqlite:///serving/journal.db; PostgreSQL:
postgresql+psycopg://user@host/db). Nothing is ever updated: of several labels of one prediction the latest holds.
Monitoring, retraining and comparing read it through `predictions` and `labelled`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ml.errors import UserError
from ml.serving.turn import Turn, lock_file

DEFAULT_URL = "sqlite:///serving/journal.db"
_BLOCK = 250  # rows of one statement for large groups
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
)
LABELS = sa.Table(
    "labels",
    _META,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("prediction_id", sa.Text, nullable=False, index=True),
    sa.Column("outcome", sa.Text, nullable=False),  # JSON text or number
    sa.Column("at", sa.Double, nullable=False),  # unix seconds
)


class JournalError(Exception):
    """The journal cannot be written or read now: disk full, database away. Nothing was recorded."""


class Entry(NamedTuple):
    """One row of `predictions` as it is stored (JSON as text)."""

    prediction_id: str
    at: float
    version: str
    role: str
    row_id: str | None
    features: str
    prediction: str
    probabilities: str | None


@dataclass(frozen=True)
class Prediction:
    """One answer, read back; with `outcome` and `labelled_at` where a label has come."""

    prediction_id: str
    at: float  # unix seconds
    version: str
    role: str
    row_id: str | None
    features: dict[str, Any]
    prediction: Any  # class name, or a number
    probabilities: dict[str, float] | None
    outcome: Any = None  # class name, or a number
    labelled_at: float | None = None  # unix seconds


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
            self.engine = _engine(parsed)
            with self._turn:
                _META.create_all(self.engine)
        except (SQLAlchemyError, ImportError, OSError) as error:
            raise UserError(
                f"JOURNAL_URL {_without_password(self.url)}: {_first_line(error)}",
                "check JOURNAL_URL; unset, the journal is serving/journal.db",
            ) from None
        dialect = self.engine.dialect
        self.is_file = dialect.name == "sqlite"
        self._insert = str(sa.insert(PREDICTIONS).compile(dialect=dialect))
        head, _, values = self._insert.partition("VALUES ")
        self._insert_block = f"{head}VALUES {', '.join([values] * _BLOCK)}"  # sqlite only
        self._connection: Any = None

    def append(self, entries: Sequence[Entry]) -> None:
        """Make entries durable, all or none; a `JournalError` says that none is, a later call may succeed."""
        with self._turn:
            self._insert_or_raise(entries)

    def append_soon(self, entries: Sequence[Entry]) -> bool:
        """`append`, unless another writer is at it for longer than a millisecond: then False, and nothing is done."""
        if not self._turn.soon():
            return False
        try:
            self._insert_or_raise(entries)
        finally:
            self._turn.leave()
        return True

    def _insert_or_raise(self, entries: Sequence[Entry]) -> None:
        try:
            self._insert_all(entries)
        except Exception as error:  # each driver has its own base class
            self._drop()
            raise JournalError(f"journal: {_first_line(error)}") from error

    def _insert_all(self, entries: Sequence[Entry]) -> None:
        connection = self._open()
        if self.is_file and len(entries) == 1:
            connection.execute(self._insert, entries[0])  # a statement alone is a transaction
            return
        cursor, done = connection.cursor(), 0
        if self.is_file:
            cursor.execute("BEGIN IMMEDIATE")
            # row by row the driver would give up the interpreter's lock a thousand times, and queue for it again
            for done in range(_BLOCK, len(entries) + 1, _BLOCK):
                cursor.execute(self._insert_block, tuple(chain.from_iterable(entries[done - _BLOCK : done])))
        cursor.executemany(self._insert, entries[done:])
        connection.commit()

    def _open(self) -> Any:
        """The driver's own connection: on this path SQLAlchemy's layers would cost as much as sqlite itself."""
        if self._connection is None:
            self._connection = self.engine.raw_connection()
            if self.is_file:
                self._connection.driver_connection.isolation_level = None  # transactions begin where we say
        return self._connection.driver_connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()

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
        listed = list(labels)
        now = time.time() if at is None else at
        rows = [{"prediction_id": p, "outcome": json.dumps(o, ensure_ascii=False), "at": now} for p, o in listed]
        if not rows:
            return 0, 0
        try:
            with self._turn, self.engine.begin() as connection:
                connection.execute(sa.insert(LABELS), rows)
                known = _known(connection, sorted({p for p, _ in listed}))
        except SQLAlchemyError as error:
            raise JournalError(f"journal: {_first_line(error)}") from error
        return len(listed), sum(p not in known for p, _ in listed)

    def predictions(
        self, since: float = 0.0, until: float = float("inf"), role: str | None = "champion"
    ) -> Iterator[Prediction]:
        """Answers with since <= at < until (unix seconds), oldest first, each with its latest label if there is one.

        `role` None: of every role (champion, canary, shadow).
        """
        query = _with_latest_label().where(PREDICTIONS.c.at >= since).order_by(PREDICTIONS.c.prediction_id)
        if until != float("inf"):
            query = query.where(PREDICTIONS.c.at < until)
        if role is not None:
            query = query.where(PREDICTIONS.c.role == role)
        with self.engine.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
                yield _prediction(row)

    def labelled(self, since: float = 0.0, until: float = float("inf")) -> Iterator[Prediction]:
        """The champion's answers that have a label."""
        return (p for p in self.predictions(since, until) if p.labelled_at is not None)

    def remove(self, before: float, at_most: int) -> int:
        """Remove the oldest answers from before a moment (unix seconds), and their labels; returns how many."""
        old = sa.select(PREDICTIONS.c.prediction_id).where(PREDICTIONS.c.at < before).limit(at_most)
        try:
            with self._turn, self.engine.begin() as connection:
                ids = list(connection.scalars(old.order_by(PREDICTIONS.c.prediction_id)))
                for some in (ids[i : i + 500] for i in range(0, len(ids), 500)):
                    connection.execute(sa.delete(LABELS).where(LABELS.c.prediction_id.in_(some)))
                    connection.execute(sa.delete(PREDICTIONS).where(PREDICTIONS.c.prediction_id.in_(some)))
        except SQLAlchemyError as error:
            raise JournalError(f"journal: {_first_line(error)}") from error
        return len(ids)

    def count(self) -> int:
        """Number of answers in the journal."""
        with self.engine.connect() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(PREDICTIONS)) or 0)

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
        self._drop()
        self.engine.dispose()


def _with_latest_label() -> sa.Select[Any]:
    latest = sa.select(sa.func.max(LABELS.c.id).label("id")).group_by(LABELS.c.prediction_id).subquery()
    labels = sa.select(LABELS).join(latest, LABELS.c.id == latest.c.id).subquery()
    joined = PREDICTIONS.outerjoin(labels, PREDICTIONS.c.prediction_id == labels.c.prediction_id)
    return sa.select(PREDICTIONS, labels.c.outcome, labels.c.at.label("labelled_at")).select_from(joined)


def _prediction(row: Any) -> Prediction:
    return Prediction(
        prediction_id=row.prediction_id,
        at=row.at,
        version=row.version,
        role=row.role,
        row_id=row.row_id,
        features=json.loads(row.features),
        prediction=json.loads(row.prediction),
        probabilities=None if row.probabilities is None else json.loads(row.probabilities),
        outcome=None if row.outcome is None else json.loads(row.outcome),
        labelled_at=row.labelled_at,
    )


def _known(connection: sa.Connection, ids: list[str]) -> set[str]:
    known: set[str] = set()
    for start in range(0, len(ids), 500):  # sqlite bounds the variables of a statement
        some = ids[start : start + 500]
        query = sa.select(PREDICTIONS.c.prediction_id).where(PREDICTIONS.c.prediction_id.in_(some))
        known.update(connection.scalars(query))
    return known


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, paramstyle="format", pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # a commit is on disk before it returns

    return engine


def _without_password(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "(not an address)"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]

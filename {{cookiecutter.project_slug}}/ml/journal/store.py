"""The journal: every answer that was given and every outcome that became known, in two append-only tables.

Reads and writes: the database that JOURNAL_URL names (default sqlite:///serving/journal.db;
PostgreSQL: postgresql+psycopg://user@host/db). Nothing is ever updated: of several labels of one
prediction the latest holds. A request is one row (`ml.journal.records`). Retraining and comparing
read the answers through `predictions` and `labelled`, monitoring in bulk (`ml.journal.scan`).
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ml.errors import UserError
from ml.journal.database import (
    bytes_of,
    engine_of,
    first_line,
    free_bytes_of,
    is_busy,
    log_of,
    sync,
    without_password,
)
from ml.journal.records import Outcomes, Prediction, Record, place_of, predictions_of
from ml.journal.turn import SOON_SECONDS, WriteLock, lock_file

DEFAULT_URL = "sqlite:///serving/journal.db"
PATIENCE_SECONDS = 30.0  # how long a write waits for other processes
_RETRY_SECONDS = 0.1  # how long it waits where the write before it has failed
_PIECE = 1000  # answers that are read at a time
# sqlite starts the log over at 1,000 pages of 4 kB; the rest is room for a large request
_LOG_BYTES = 5_000_000

_META = sa.MetaData()
PREDICTIONS = sa.Table(
    "predictions",
    _META,
    # begins with its time: appended, never inserted between
    sa.Column("prediction_id", sa.Text, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),  # unix seconds
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("row_id", sa.Text),
    sa.Column("features", sa.Text, nullable=False),  # JSON object
    sa.Column("prediction", sa.Text, nullable=False),  # JSON text or number
    sa.Column("probabilities", sa.Text),  # JSON object, classification only
    # more than one: the four columns above hold JSON arrays
    sa.Column("rows", sa.Integer, nullable=False),
)
LABELS = sa.Table(
    "labels",
    _META,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("prediction_id", sa.Text, nullable=False),
    # predictions.prediction_id of the row that holds it
    sa.Column("entry_id", sa.Text, nullable=False, index=True),
    sa.Column("outcome", sa.Text, nullable=False),  # JSON text or number
    sa.Column("at", sa.Double, nullable=False),  # unix seconds
)


_CHECK = "check JOURNAL_URL; unset, the journal is serving/journal.db"
_WAIT = "wait for the process that writes to the journal, or end it (`fuser` names it), then repeat"


class JournalError(Exception):
    """The journal cannot be written or read now: disk full, database away. Nothing was recorded."""


def journal_url() -> str:
    """JOURNAL_URL, or the file beside the champion."""
    return os.environ.get("JOURNAL_URL") or DEFAULT_URL


class Journal:
    """A connection to the journal; one for each thread that writes.

    Args:
        url: an SQLAlchemy address; tables are created where they are missing.
        patience: seconds that a write waits for other processes at most.

    Attributes:
        problem: why the last write failed; None: it did not.

    Raises:
        UserError: the address is not one, or the database cannot be opened.
    """

    def __init__(self, url: str | None = None, patience: float = PATIENCE_SECONDS) -> None:
        self.url = url or journal_url()
        self.problem: str | None = None
        self._patience = patience
        try:
            parsed = sa.make_url(self.url)
            self._turn = WriteLock(lock_file(parsed))
            self.engine = engine_of(parsed, patience)
            columns = self._columns()
        except (SQLAlchemyError, ImportError, OSError) as error:
            raise UserError(
                f"JOURNAL_URL {without_password(self.url)}: {first_line(error)}",
                _WAIT if isinstance(error, TimeoutError) or is_busy(error) else _CHECK,
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
        self._busy_milliseconds: int | None = None  # what sqlite was told to wait for a lock
        self._log: int | None = None  # sqlite's write-ahead log

    def _columns(self) -> set[str]:
        """The columns of `predictions`; tables that are missing are created."""
        if not set(_META.tables) <= set(sa.inspect(self.engine).get_table_names()):
            # reading needs no turn: it works beside a writer
            with self._turn.within(self._patience):
                _META.create_all(self.engine)
        return {column["name"] for column in sa.inspect(self.engine).get_columns(PREDICTIONS.name)}

    def append(self, entries: Sequence[Record]) -> None:
        """Make entries durable, all or none; a `JournalError` says that none is, a later call may succeed."""
        seconds = self._wait_seconds()
        if not self._append(entries, seconds):
            raise self._failed(TimeoutError(f"locked by another process, waited {seconds:g} s"))

    def try_append(self, entries: Sequence[Record]) -> bool:
        """`append`, unless another process has locked the journal: then False, and nothing is done.

        It waits a millisecond at most, so that it may be called in the event loop.
        """
        if self._connection is None:  # opening one may wait
            return False
        return self._append(entries, SOON_SECONDS)

    def _append(self, entries: Sequence[Record], seconds: float) -> bool:
        """Append and sync; False: another process has locked the journal for so long."""
        until = time.monotonic() + seconds
        if not self._turn.take(seconds):
            return False
        try:
            self._insert_all(entries, max(0, int((until - time.monotonic()) * 1000)))
        except Exception as error:  # each driver has its own base class
            if is_busy(error):
                return False
            raise self._failed(error) from error
        finally:
            self._turn.leave()
        self._sync()
        self.problem = None
        return True

    def _wait_seconds(self) -> float:
        """How long to wait for other processes: a short time after a failure, so that callers are told at once."""
        return self._patience if self.problem is None else min(self._patience, _RETRY_SECONDS)

    def _failed(self, error: Exception) -> JournalError:
        """Note a failed write; the connection is opened anew for the next one."""
        self._drop()
        self.problem = first_line(error)
        return JournalError(f"journal: {self.problem}")

    def _sync(self) -> None:
        """Put what was committed on disk, when the turn is another writer's already: their syncs overlap."""
        if self._log is None:
            return
        try:
            sync(self._log)
        except OSError as error:
            raise self._failed(error) from error

    def _insert_all(self, entries: Sequence[Record], busy_milliseconds: int) -> None:
        connection = self._open(busy_milliseconds)
        if self.is_file and len(entries) == 1:
            connection.execute(self._insert, entries[0])  # a statement alone is a transaction
            return
        cursor = connection.cursor()
        if self.is_file:
            cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(self._insert, entries)
        connection.commit()

    def _open(self, busy_milliseconds: int) -> Any:
        """The driver's own connection: on this path SQLAlchemy's layers would cost as much as sqlite itself.

        `busy_milliseconds`: how long sqlite waits where another process writes without taking its
            turn.
        """
        if self._connection is None:
            self._connection = self.engine.raw_connection()
            if self.is_file:
                driver = self._connection.driver_connection
                driver.isolation_level = None  # transactions begin where we say
                self._log = log_of(driver)
        if self.is_file and busy_milliseconds != self._busy_milliseconds:
            self._connection.driver_connection.execute(f"PRAGMA busy_timeout = {busy_milliseconds}")
            self._busy_milliseconds = busy_milliseconds
        return self._connection.driver_connection

    def _drop(self) -> None:
        self._busy_milliseconds = None
        connection, self._connection = self._connection, None
        log, self._log = self._log, None
        if connection is not None:
            connection.invalidate()
        if log is not None:
            os.close(log)

    def preallocate_wal(self) -> None:
        """Let sqlite's log take its usual size now: a sync that also grows a file costs ten times more."""
        if not self.is_file:
            return
        # where the disk has no such room or another process writes, nothing is lost but speed
        with (
            suppress(sqlite3.OperationalError, SQLAlchemyError, TimeoutError),
            self._turn.within(_RETRY_SECONDS),
        ):
            connection = self._open(0)
            # of a process that was killed in between
            connection.execute("DROP TABLE IF EXISTS room")
            connection.execute("CREATE TABLE room AS SELECT zeroblob(?) AS bytes", (_LOG_BYTES,))
            connection.execute("DROP TABLE room")
            connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def add_labels(
        self, labels: Iterable[tuple[str, Any]], at: float | None = None
    ) -> tuple[int, int]:
        """Record outcomes by prediction id. Labels of unknown ids are kept: the prediction may be elsewhere.

        Returns:
            (labels recorded, those whose prediction is not in this journal).
        """
        now, listed = time.time() if at is None else at, list(labels)
        if not listed:
            return 0, 0
        places = [place_of(prediction_id) for prediction_id, _ in listed]
        rows = [
            {
                "prediction_id": p,
                "entry_id": entry,
                "outcome": json.dumps(o, ensure_ascii=False),
                "at": now,
            }
            for (p, o), (entry, _) in zip(listed, places, strict=True)
        ]
        with self._writing():
            with self.engine.connect() as connection:
                known = _known(connection, sorted({entry for entry, _ in places}))
            with self._turn_and_transaction() as connection:
                connection.execute(sa.insert(LABELS), rows)
        return len(rows), sum(place >= known.get(entry, 0) for entry, place in places)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, TimeoutError) as error:
            raise self._failed(error) from error
        self.problem = None

    @contextmanager
    def _turn_and_transaction(self) -> Iterator[sa.Connection]:
        with self._turn.within(self._wait_seconds()) as left, self.engine.begin() as connection:
            if self.is_file:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(left * 1000)}")
            yield connection

    def predictions(
        self, since: float = 0.0, until: float = float("inf"), role: str | None = "champion"
    ) -> Iterator[Prediction]:
        """Answers with since <= at < until (unix seconds), oldest first, each with its latest label if there is one.

        `role` None: of every role (champion, canary, shadow).
        """
        query = (
            sa.select(PREDICTIONS)
            .where(PREDICTIONS.c.at >= since)
            .order_by(PREDICTIONS.c.prediction_id)
        )
        if until != float("inf"):
            query = query.where(PREDICTIONS.c.at < until)
        if role is not None:
            query = query.where(PREDICTIONS.c.role == role)
        last = ""
        # a transaction for each piece: a long one would keep sqlite's log from starting over
        while True:
            with self.engine.connect() as connection:
                piece = query.where(PREDICTIONS.c.prediction_id > last).limit(_PIECE)
                with connection.execute(piece, execution_options={"yield_per": 100}) as found:
                    entries = next(pieces(found, _PIECE), [])
                if not entries:
                    return
                last = entries[-1].prediction_id
                outcomes = latest_outcomes(connection, entries[0].prediction_id, last)
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
        old = (
            sa.select(made.prediction_id, made.rows)
            .where(made.at < before)
            .order_by(made.prediction_id)
        )
        with self._writing():
            with self.engine.connect() as connection:
                found = next(pieces(connection.execute(old.limit(at_most)), at_most), [])
            with self._turn_and_transaction() as connection:
                for some in (found[i : i + 500] for i in range(0, len(found), 500)):
                    ids = [entry.prediction_id for entry in some]
                    connection.execute(sa.delete(LABELS).where(LABELS.c.entry_id.in_(ids)))
                    connection.execute(sa.delete(PREDICTIONS).where(made.prediction_id.in_(ids)))
        return sum(entry.rows for entry in found)

    def probe(self) -> None:
        """Write one row and remove it, in one transaction that nobody else sees.

        Raises:
            JournalError: the journal cannot be written.
        """
        row = Record(f"probe-{os.getpid()}", time.time(), "", "probe", None, "", "", None)
        probed = PREDICTIONS.c.prediction_id == row.prediction_id
        with self._writing(), self._turn_and_transaction() as connection:
            connection.execute(sa.insert(PREDICTIONS), row._asdict())
            connection.execute(sa.delete(PREDICTIONS).where(probed))

    def bytes(self) -> int:
        """Bytes that the journal takes on disk."""
        return bytes_of(self.engine, list(_META.tables))

    def free_bytes(self) -> int | None:
        """Bytes that are free on its disk; None: a database server's, which does not say."""
        return free_bytes_of(self.engine)

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
    query = sa.select(label.prediction_id, label.outcome, label.at).where(
        label.entry_id.between(first, last)
    )
    # its tuples take half the time of SQLAlchemy's
    cursor: Any = connection.execute(query.order_by(label.id)).cursor
    return {prediction_id: (outcome, at) for prediction_id, outcome, at in cursor.fetchall()}


def _known(connection: sa.Connection, ids: list[str]) -> dict[str, int]:
    """Of entries by these ids, how many rows they hold."""
    known: dict[str, int] = {}
    for start in range(0, len(ids), 500):  # sqlite bounds the variables of a statement
        some = ids[start : start + 500]
        query = sa.select(PREDICTIONS.c.prediction_id, PREDICTIONS.c.rows)
        known.update(
            (row[0], row[1])
            for row in connection.execute(query.where(PREDICTIONS.c.prediction_id.in_(some)))
        )
    return known

"""The journal: every answer that was given and every outcome that became known.

Reads and writes: the database that JOURNAL_URL names (default sqlite:///serving/journal.db;
PostgreSQL: postgresql+psycopg://user@host/db). It has two append-only tables, and no answer is ever
changed: of several labels of one prediction the latest holds. A request is one row
(`ml.journal.records`). Retraining and comparing read the answers through `predictions` and
`labelled`, monitoring in bulk (`ml.journal.bulk.scan`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ml.clock import now
from ml.errors import UserError, disk_full, is_disk_full
from ml.journal.append_connection import AppendConnection
from ml.journal.database import (
    TRY_SECONDS,
    WriteLock,
    bytes_of,
    engine_of,
    first_line,
    free_bytes_of,
    is_busy,
    lock_file,
    without_password,
)
from ml.journal.partitions import add_months, create_tables
from ml.journal.reading import (
    count_answers,
    entry_ids,
    oldest_entries,
    read_prediction,
    read_predictions,
)
from ml.journal.records import Prediction, Record
from ml.journal.schema import LABELS, METADATA, has_tables, missing_columns
from ml.journal.writing import delete_entries, insert_and_delete_probe, label_rows, lock_labels

DEFAULT_URL = "sqlite:///serving/journal.db"
PATIENCE_SECONDS = 30.0  # how long a write waits for other processes
_RETRY_SECONDS = 0.1  # how long it waits where the write before it has failed
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
        connections: to a database server at once, and so transactions of several threads.

    Attributes:
        problem: why the last write failed; None: it did not.

    Raises:
        UserError: the address is not one, or the database cannot be opened.
    """

    def __init__(
        self, url: str | None = None, patience: float = PATIENCE_SECONDS, connections: int = 4
    ) -> None:
        self.url = url or journal_url()
        self.problem: str | None = None
        self._patience = patience
        self._connections = threading.BoundedSemaphore(connections)
        try:
            address = sa.make_url(self.url)
            self._write_lock = WriteLock(lock_file(address))
            self.engine = engine_of(address, patience, connections)
            missing = self._create_tables()
        except (SQLAlchemyError, ImportError, OSError) as error:
            raise self._not_opened(error) from None
        if missing:
            raise self._earlier(missing)
        self.is_file = self.engine.dialect.name == "sqlite"
        self._appending = AppendConnection(self.engine)

    def _create_tables(self) -> list[str]:
        """Create tables that are missing; the columns that are missing in one that is there."""
        if not has_tables(self.engine):
            # reading needs no lock: it works beside a writer
            with self._write_lock.hold(self._patience):
                create_tables(self.engine, now())
        return missing_columns(self.engine)

    def _not_opened(self, error: Exception) -> UserError:
        where = f"JOURNAL_URL {without_password(self.url)}"
        if is_disk_full(error):
            return disk_full(error, where=where)
        is_locked = isinstance(error, TimeoutError) or is_busy(error)
        return UserError(f"{where}: {first_line(error)}", _WAIT if is_locked else _CHECK)

    def _earlier(self, missing: list[str]) -> UserError:
        return UserError(
            f"JOURNAL_URL {without_password(self.url)}: the journal is an earlier one's, "
            f"without {missing}",
            "move it away, or name another in JOURNAL_URL",
        )

    def append(self, entries: Sequence[Record]) -> None:
        """Make entries durable, all or none.

        Raises:
            JournalError: none of them is durable; a later call may succeed.
        """
        seconds = self._wait_seconds()
        if not self._append(entries, seconds):
            raise self._failed(TimeoutError(f"locked by another process, waited {seconds:g} s"))

    def try_append(self, entries: Sequence[Record]) -> bool:
        """`append`, unless another process has locked the journal: then False, and nothing is done.

        It waits a millisecond at most, so that it may be called in the event loop.
        """
        if not self._appending.is_open:  # opening it may wait
            return False
        return self._append(entries, TRY_SECONDS)

    def _append(self, entries: Sequence[Record], seconds: float) -> bool:
        """Append and sync; False: another process has locked the journal for so long."""
        until = time.monotonic() + seconds
        if not self._write_lock.try_acquire(seconds):
            return False
        try:
            self._appending.insert(entries, max(0, int((until - time.monotonic()) * 1000)))
        except Exception as error:  # each driver has its own base class
            if is_busy(error):
                return False
            raise self._failed(error) from error
        finally:
            self._write_lock.release()
        self._sync()
        self.problem = None
        return True

    def _wait_seconds(self) -> float:
        """How long to wait for other processes.

        After a failure it is a short time, so that callers are told at once.
        """
        return self._patience if self.problem is None else min(self._patience, _RETRY_SECONDS)

    def _failed(self, error: Exception) -> JournalError:
        """Note a failed write; the connection is opened anew for the next one."""
        self._appending.drop()
        self.problem = first_line(error)
        return JournalError(f"journal: {self.problem}")

    def _sync(self) -> None:
        """Sync what was committed, with the lock released: the syncs of two writers overlap."""
        try:
            self._appending.sync()
        except OSError as error:
            raise self._failed(error) from error

    def preallocate_wal(self) -> None:
        """Let sqlite's log take its usual size now.

        A sync that also grows the file costs ten times more.
        """
        if not self.is_file:
            return
        # where the disk has no such room or another process writes, nothing is lost but speed
        with (
            suppress(sqlite3.OperationalError, SQLAlchemyError, TimeoutError),
            self._write_lock.hold(_RETRY_SECONDS),
        ):
            self._appending.preallocate_wal()

    def add_labels(
        self, labels: Iterable[tuple[str, Any]], at: float | None = None
    ) -> tuple[int, int]:
        """Record outcomes by prediction id.

        Labels of unknown ids are kept: the prediction may be in another journal.

        Returns:
            (labels recorded, those whose prediction is not in this journal).
        """
        listed = list(labels)
        if not listed:
            return 0, 0
        received = now() if at is None else at
        with self.changing() as connection:
            # in one transaction: a request may be split meanwhile (`ml.journal.erasure`)
            lock_labels(connection, "ROW EXCLUSIVE")
            held_by, unknown = entry_ids(connection, [prediction_id for prediction_id, _ in listed])
            connection.execute(sa.insert(LABELS), label_rows(listed, held_by, received))
        return len(listed), unknown

    @contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        """A transaction in which no other process changes a sqlite journal.

        Raises:
            JournalError: it failed, and nothing is changed.
        """
        with self._writing(), self._transaction() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, TimeoutError) as error:
            raise self._failed(error) from error
        self.problem = None

    def _transaction(self) -> AbstractContextManager[sa.Connection]:
        return self._of_file() if self.is_file else self._of_server()

    @contextmanager
    def _of_file(self) -> Iterator[sa.Connection]:
        with (
            self._write_lock.hold(self._wait_seconds()) as seconds_left,
            self.engine.begin() as connection,
        ):
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(seconds_left * 1000)}")
            connection.exec_driver_sql("PRAGMA secure_delete = ON")  # zeros in their place
            yield connection

    @contextmanager
    def _of_server(self) -> Iterator[sa.Connection]:
        seconds = self._wait_seconds()
        if not self._connections.acquire(timeout=seconds):
            raise TimeoutError(f"no connection was free, waited {seconds:g} s")
        try:
            with self.engine.begin() as connection:
                yield connection
        finally:
            self._connections.release()

    def predictions(
        self, since: float = 0.0, until: float = float("inf"), role: str | None = "champion"
    ) -> Iterator[Prediction]:
        """Answers with since <= at < until, oldest first, each with its latest label if it has one.

        Args:
            since: unix seconds.
            until: unix seconds.
            role: None: every role (champion, canary, fallback, shadow, trial).
        """
        return read_predictions(self.engine, since, until, role)

    def prediction(self, prediction_id: str) -> Prediction | None:
        """One answer of any role with its latest label; None: it is not in the journal."""
        return read_prediction(self.engine, prediction_id)

    def labelled(self, since: float = 0.0, until: float = float("inf")) -> Iterator[Prediction]:
        """The champion's answers that have a label."""
        return (p for p in self.predictions(since, until) if p.labelled_at is not None)

    def remove(self, before: float, at_most: int) -> int:
        """Remove the oldest answers from before a moment, and their labels.

        Args:
            before: the moment, unix seconds.
            at_most: answers, or as many more as their last request has.

        Returns:
            How many answers were removed.
        """
        with self._writing():
            with self.engine.connect() as connection:
                oldest = oldest_entries(connection, before, at_most)
            with self._transaction() as connection:
                delete_entries(connection, [entry.prediction_id for entry in oldest])
        return sum(entry.rows for entry in oldest)

    def probe(self) -> None:
        """Write one row and remove it, in one transaction that nobody else sees.

        Raises:
            JournalError: the journal cannot be written.
        """
        with self.changing() as connection:
            insert_and_delete_probe(connection)
        with suppress(SQLAlchemyError):  # the next one tries again, and no append needs them
            add_months(self.engine, now())

    def bytes(self) -> int:
        """Bytes that the journal takes on disk."""
        return bytes_of(self.engine, list(METADATA.tables))

    def free_bytes(self) -> int | None:
        """Bytes that are free on its disk; None: a database server's, which does not say."""
        return free_bytes_of(self.engine)

    def count(self) -> int:
        """Number of answers in the journal."""
        return count_answers(self.engine)

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
        self._appending.drop()
        self.engine.dispose()

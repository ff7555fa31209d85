"""The connection through which answers are appended: the driver's own.

On the path of POST /predict SQLAlchemy's layers would cost as much as sqlite itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ml.journal.database import log_of, sync
from ml.journal.records import Record
from ml.journal.schema import PREDICTIONS

# sqlite starts the log over at 1,000 pages of 4 kB; the rest is room for a large request
_LOG_BYTES = 5_000_000


class AppendConnection:
    """One connection of the driver, opened when it is first needed.

    Args:
        engine: the database.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._is_file = engine.dialect.name == "sqlite"
        self._insert = str(sa.insert(PREDICTIONS).compile(dialect=engine.dialect))
        self._connection: Any = None
        self._busy_milliseconds: int | None = None  # what sqlite was told to wait for a lock
        self._log: int | None = None  # sqlite's write-ahead log

    @property
    def is_open(self) -> bool:
        """Whether the next call need not open it first, which may wait."""
        return self._connection is not None

    def insert(self, entries: Sequence[Record], busy_milliseconds: int) -> None:
        """Commit entries in one transaction; of sqlite they are on disk after `sync`.

        Args:
            entries: all of them or none is committed.
            busy_milliseconds: how long sqlite waits where another process writes without the lock.
        """
        connection = self._open(busy_milliseconds)
        if self._is_file and len(entries) == 1:
            connection.execute(self._insert, entries[0])  # a statement alone is a transaction
            return
        cursor = connection.cursor()
        if self._is_file:
            cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(self._insert, entries)
        connection.commit()

    def sync(self) -> None:
        """Put what was committed on disk."""
        if self._log is not None:
            sync(self._log)

    def _open(self, busy_milliseconds: int) -> Any:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            if self._is_file:
                driver = self._connection.driver_connection
                driver.isolation_level = None  # transactions begin where we say
                self._log = log_of(driver)
        if self._is_file and busy_milliseconds != self._busy_milliseconds:
            self._connection.driver_connection.execute(f"PRAGMA busy_timeout = {busy_milliseconds}")
            self._busy_milliseconds = busy_milliseconds
        return self._connection.driver_connection

    def preallocate_wal(self) -> None:
        """Let sqlite's log take its usual size now."""
        connection = self._open(0)
        # of a process that was killed in between
        connection.execute("DROP TABLE IF EXISTS room")
        connection.execute("CREATE TABLE room AS SELECT zeroblob(?) AS bytes", (_LOG_BYTES,))
        connection.execute("DROP TABLE room")
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def drop(self) -> None:
        """Close it; the next call opens it anew."""
        self._busy_milliseconds = None
        connection, self._connection = self._connection, None
        log, self._log = self._log, None
        if connection is not None:
            connection.invalidate()
        if log is not None:
            os.close(log)

"""The connection through which answers are appended: the driver's own.

On the path of POST /predict SQLAlchemy's layers would cost as much as sqlite itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ml.journal.database import log_of, sync
from ml.journal.records import Record
from ml.journal.schema import PREDICTIONS

# sqlite starts the log over at 1,000 pages of 4 kB; the rest is room for a large request
_LOG_BYTES = 5_000_000
# between two tries where the server is away
AWAY_SECONDS = 0.05


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
            busy_milliseconds: how long it waits where another process writes to sqlite without the
                lock, or where the server is away.
        """
        if not self._is_file:
            self._insert_by_server(entries, time.monotonic() + busy_milliseconds / 1000)
            return
        connection = self._open(busy_milliseconds)
        if len(entries) == 1:
            connection.execute(self._insert, entries[0])  # a statement alone is a transaction
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(self._insert, entries)
        connection.commit()

    def _insert_by_server(self, entries: Sequence[Record], until: float) -> None:
        """Commit entries; where the server is away, try again until a moment has come.

        A restart or a failover takes a second or two. Whether a try whose connection broke was
        committed nobody knows, so the next ones pass over what is there.
        """
        statement = self._insert
        while True:
            try:
                connection = self._open(0)
                connection.cursor().executemany(statement, entries)
                connection.commit()
                return
            except Exception as error:  # each driver has its own base class
                if not self._is_away(error) or time.monotonic() + AWAY_SECONDS > until:
                    raise
            self.drop()
            time.sleep(AWAY_SECONDS)
            statement = f"{self._insert} ON CONFLICT DO NOTHING"

    def _is_away(self, error: Exception) -> bool:
        """Whether PostgreSQL could not be reached, or has closed the connection."""
        if self._engine.dialect.name != "postgresql":
            return False
        if self._connection is None:
            return True
        dialect: Any = self._engine.dialect
        return bool(dialect.is_disconnect(error, self._connection.driver_connection, None))

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

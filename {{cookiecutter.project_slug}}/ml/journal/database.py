"""The journal's database as a driver sees it: durable connections and sqlite's log.

Also the write lock between processes, and what may be shown of an address or an error.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

# a few commits of another worker; a caller in the event loop waits no longer
TRY_SECONDS = 0.001
# between two tries; another worker's commit takes about the first
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0002, 0.005


def engine_of(url: sa.URL, patience: float, connections: int) -> sa.Engine:
    """Connections to a database, in which a commit is on disk before it returns.

    Its errors name the statement, not its values.

    Args:
        url: its address.
        patience: seconds that a statement waits for another connection's lock.
        connections: to a server at once; one stays open, the others close after their use.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, patience)
    return _server_engine(url, patience, connections)


def _sqlite_engine(url: sa.URL, patience: float) -> sa.Engine:
    engine = sa.create_engine(
        url, hide_parameters=True, connect_args={"timeout": patience, "check_same_thread": False}
    )

    @sa.event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # a commit is on disk before it returns

    return engine


def _server_engine(url: sa.URL, patience: float, connections: int) -> sa.Engine:
    engine = sa.create_engine(
        url,
        paramstyle="format",
        hide_parameters=True,
        pool_pre_ping=True,  # a connection that a restart has closed is opened anew, unnoticed
        pool_size=1,
        max_overflow=connections - 1,
        pool_timeout=patience,
        connect_args=_timeouts(url, patience),
    )
    if engine.dialect.name == "postgresql":

        @sa.event.listens_for(engine, "connect")
        def _bounded(connection: Any, _record: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = {round(patience * 1000)}")
            connection.commit()

    return engine


def _timeouts(url: sa.URL, patience: float) -> dict[str, int]:
    """Options of libpq that end what would wait for ever where a server's machine is gone.

    The address may say otherwise (`?connect_timeout=…`). No statement_timeout: where a commit waits
    for a standby, PostgreSQL would end the wait and call the commit a success.
    """
    if url.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    hosts = ",".join(_texts(url.query.get("host", ""))).split(",")
    options = {
        # seconds for each host, tried one after the other; libpq takes no less than 2
        "connect_timeout": max(2, int(patience / len(hosts))),
        # milliseconds until sent bytes are confirmed; else a broken network is noticed in minutes
        "tcp_user_timeout": round(patience * 1000),
        # the same for a server that owes an answer: it is asked after so many seconds
        "keepalives_idle": max(1, int(patience)),
        "keepalives_interval": 1,
        "keepalives_count": 3,
    }
    return {name: value for name, value in options.items() if name not in url.query}


def _texts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def is_busy(error: BaseException) -> bool:
    """Whether sqlite has refused because another connection writes."""
    cause = getattr(error, "orig", None) or error  # SQLAlchemy wraps the driver's error
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def bytes_of(engine: sa.Engine, tables: list[str]) -> int:
    """Bytes of the tables with their indexes; of sqlite the whole file and its log."""
    if engine.dialect.name == "sqlite":
        return _sqlite_bytes(engine.url.database)
    return _postgresql_bytes(engine, tables) if engine.dialect.name == "postgresql" else 0


def _postgresql_bytes(engine: sa.Engine, tables: list[str]) -> int:
    size, tree = sa.func.pg_total_relation_size, sa.func.pg_partition_tree
    # a table without partitions is in no tree, one with them has no bytes of its own
    of_partition = size(sa.column("relid"))
    in_trees = [sa.select(sa.func.sum(of_partition)).select_from(tree(name)) for name in tables]
    sizes = sa.select(*map(size, tables), *(each.scalar_subquery() for each in in_trees))
    with engine.connect() as connection:
        return sum(int(n or 0) for n in connection.execute(sizes).one())


def _sqlite_bytes(database: str | None) -> int:
    files = [Path(f"{database}{suffix}") for suffix in ("", "-wal")]
    return sum(file.stat().st_size for file in files if file.is_file())


def free_bytes_of(engine: sa.Engine) -> int | None:
    """Bytes that are free on sqlite's disk; None: the disk is another machine's."""
    path = _sqlite_file(engine.url)
    if path is None:
        return None
    disk = os.statvfs(path.absolute().parent)
    return disk.f_bavail * disk.f_frsize


def log_of(connection: sqlite3.Connection) -> int | None:
    """The log of sqlite, opened to be synced by us: commits of this connection no longer sync it.

    With synchronous=NORMAL sqlite syncs the log before it copies it into the database and when it
    starts it over, never at a commit. None: a database in memory.
    """
    _, _, path = connection.execute("PRAGMA database_list").fetchone()
    if not path:
        return None
    connection.execute("PRAGMA synchronous=NORMAL")
    # the log is there from the first look on
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return os.open(f"{path}-wal", os.O_RDWR | os.O_CLOEXEC)


def sync(file: int) -> None:
    """Return when what was written to a file is on disk."""
    getattr(os, "fdatasync", os.fsync)(file)  # macOS has no fdatasync


class WriteLock:
    """Exclusive write lock between processes on one sqlite file (flock).

    It is tried again and again instead of waited for in the kernel: a process that never releases
    it would be waited for without end.
    """

    def __init__(self, file: int | None) -> None:
        self._file = file
        self._mutex = threading.Lock()  # a file lock holds between processes, not between threads

    def try_acquire(self, seconds: float) -> bool:
        """Acquire the lock within so many seconds, or not at all."""
        until = time.monotonic() + seconds
        if not self._mutex.acquire(timeout=seconds):
            return False
        pause = _FIRST_PAUSE
        while not self._lock_file():
            if time.monotonic() >= until:
                self._mutex.release()
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        return True

    def _lock_file(self) -> bool:
        if self._file is None:
            return True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._mutex.release()

    @contextmanager
    def hold(self, seconds: float) -> Iterator[float]:
        """Hold the lock; yields how many of the seconds are left.

        Raises:
            TimeoutError: others held it for so many seconds.
        """
        until = time.monotonic() + seconds
        if not self.try_acquire(seconds):
            raise TimeoutError(f"locked by another process, waited {seconds:g} s")
        try:
            yield max(0.0, until - time.monotonic())
        finally:
            self.release()


def lock_file(url: sa.URL) -> int | None:
    """The lock beside a sqlite file, or None where the database orders its writers itself."""
    path = _sqlite_file(url)
    if path is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)


def _sqlite_file(url: sa.URL) -> Path | None:
    """The file of a sqlite database; None: one in memory, or a server's."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def without_password(url: str) -> str:
    """An address as it may be shown."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "(not an address)"


def first_line(error: Exception) -> str:
    """The first line of a driver's error, without a path of this machine."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0][:300]

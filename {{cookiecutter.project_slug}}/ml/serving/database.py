"""The journal's database as a driver sees it: durable connections, sqlite's log, what may be shown of an address."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError


def engine_of(url: sa.URL) -> sa.Engine:
    """Connections to a database, in which a commit is on disk before it returns."""
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, paramstyle="format", pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # a commit is on disk before it returns

    return engine


def log_of(connection: sqlite3.Connection) -> int | None:
    """The log of sqlite, opened to be synced by us; this connection's commits no longer wait for the disk themselves.

    With synchronous=NORMAL sqlite syncs the log before it copies it into the database and when it starts it over,
    never at a commit. None: a database in memory.
    """
    _, _, path = connection.execute("PRAGMA database_list").fetchone()
    if not path:
        return None
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the log is there from the first look on
    return os.open(f"{path}-wal", os.O_RDWR | os.O_CLOEXEC)


def sync(file: int) -> None:
    """Return when what was written to a file is on disk."""
    getattr(os, "fdatasync", os.fsync)(file)  # macOS has no fdatasync


def without_password(url: str) -> str:
    """An address as it may be shown."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "(not an address)"


def first_line(error: Exception) -> str:
    """What a driver's error says, without its pages."""
    return (str(error) or type(error).__name__).splitlines()[0][:300]

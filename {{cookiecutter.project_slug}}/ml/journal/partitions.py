"""The journal's tables made; in PostgreSQL each calendar month (UTC) is a partition of both.

Prediction ids begin with their moment (`records.id_begin`), so a month is a stretch of ids. This
month and the next ones are made ahead. What lies in none of them (a clock far ahead, labels of
unknown ids) is in the partition of others, so no append fails for want of one. Retention drops
whole months. A journal that an earlier version made has no partitions: it is read and written all
the same, until `divide` makes its tables the first partitions of new ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from ml.journal.records import id_begin
from ml.journal.schema import LABELS, METADATA, PREDICTIONS, has_tables

MONTHS_AHEAD = 3  # so that a month is there long before its first answer
# a change of partitions waits so long for those who read: appends wait behind it
LOCK_MILLISECONDS = 500
# the labels first: who adds some locks them first, and then reads the answers
_KEYS = {LABELS.name: "entry_id", PREDICTIONS.name: "prediction_id"}
_LOCK = 7_305_917  # of PostgreSQL's advisory locks: one process at a time makes tables
_BOUNDS = re.compile(r"FROM \((MINVALUE|'[^']*')\) TO \('([^']*)'\)")
_PARTITIONS = sa.text(
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i"
    " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(:parent)"
    " ORDER BY c.relname"
)
_KIND = sa.text("SELECT relkind FROM pg_class WHERE oid = to_regclass(:name)")
_SEQUENCE = sa.text("SELECT pg_get_serial_sequence(:name, 'id')")


class Month(NamedTuple):
    """A calendar month in UTC."""

    year: int
    month: int

    @property
    def name(self) -> str:
        """As the name of its partitions ends."""
        return f"{self.year:04d}_{self.month:02d}"

    @property
    def begin(self) -> float:
        """Its first moment, unix seconds."""
        return datetime(self.year, self.month, 1, tzinfo=UTC).timestamp()

    def after(self, months: int = 1) -> Month:
        """The month so many later."""
        years, month = divmod(self.month - 1 + months, 12)
        return Month(self.year + years, month + 1)


class Partition(NamedTuple):
    """A stretch of ids of one table: [begin, end), `begin` None where it has none."""

    name: str
    begin: str | None
    end: str


def month_of(moment: float) -> Month:
    """The month of a moment, unix seconds."""
    at = datetime.fromtimestamp(moment, UTC)
    return Month(at.year, at.month)


def is_divided(engine: sa.Engine) -> bool:
    """Whether the journal has partitions."""
    if engine.dialect.name != "postgresql":
        return False
    with engine.connect() as connection:
        return connection.scalar(_KIND, {"name": PREDICTIONS.name}) in ("p", b"p")


def create_tables(engine: sa.Engine, moment: float) -> None:
    """Make the tables, once however many processes ask for it at the same time.

    Args:
        engine: of an empty database.
        moment: now, unix seconds; the month that comes first.
    """
    if engine.dialect.name != "postgresql":
        METADATA.create_all(engine)
        return
    with engine.begin() as connection:
        _one_at_a_time(connection)
        if has_tables(connection):
            return
        _tables_in_months().create_all(connection)
        for table in _KEYS:
            _add_others(connection, table)
            _add_months(connection, table, moment)


def _one_at_a_time(connection: sa.Connection) -> None:
    """Wait for the other processes that make tables; until the transaction ends they wait."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _tables_in_months() -> sa.MetaData:
    """Both tables as PostgreSQL divides them."""
    metadata = sa.MetaData()
    for table in (PREDICTIONS, LABELS):
        key = _KEYS[table.name]
        columns = [_in_months(column, key) for column in table.columns]
        sa.Table(table.name, metadata, *columns, postgresql_partition_by=f"RANGE ({key})")
    return metadata


def _in_months(column: sa.Column[Any], key: str) -> sa.Column[Any]:
    """The column where its table is divided by `key`, which the primary key then holds too."""
    types: dict[str, Any] = {"id": sa.BigInteger(), "prediction_id": _ID, "entry_id": _ID}
    return sa.Column(
        column.name,
        types.get(column.name, column.type),
        primary_key=column.primary_key or column.name == key,
        autoincrement=column.name == "id",
        nullable=column.nullable,
        index=column.index,
    )


_ID = sa.Text(collation="C")  # sorted byte by byte, whatever the database's language


def add_months(engine: sa.Engine, moment: float) -> None:
    """Make the partitions of a moment's month and the next ones, where they are missing.

    Raises:
        SQLAlchemyError: somebody reads what has to be locked, or the database is away.
    """
    if not is_divided(engine):
        return
    for table in _KEYS:
        with engine.connect() as connection:
            missing = _missing(connection, table, moment)
        if missing:
            with _changing(engine) as connection:
                _one_at_a_time(connection)
                _add_months(connection, table, moment)


@contextmanager
def _changing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that waits for locks but a moment."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
        yield connection


def _add_months(connection: sa.Connection, table: str, moment: float) -> None:
    for month in _missing(connection, table, moment):
        _add_month(connection, table, month)


def _missing(connection: sa.Connection, table: str, moment: float) -> list[Month]:
    """Of the moment's month and the next ones those that no partition holds."""
    present = _partitions(connection, table)
    months = [month_of(moment).after(i) for i in range(MONTHS_AHEAD + 1)]
    return [month for month in months if not any(_overlaps(each, month) for each in present)]


def _overlaps(partition: Partition, month: Month) -> bool:
    begin, end = id_begin(month.begin), id_begin(month.after().begin)
    return (partition.begin or "") < end and partition.end > begin


def _add_others(connection: sa.Connection, table: str) -> None:
    """Make the partition of what lies in no month."""
    connection.exec_driver_sql(f"CREATE TABLE {table}_others PARTITION OF {table} DEFAULT")


def _add_month(connection: sa.Connection, table: str, month: Month) -> None:
    """Fill a table with the month's rows that lie among the others, and attach it.

    Attaching a table keeps nobody from appending; creating it as a partition would.
    """
    name, key = f"{table}_{month.name}", _KEYS[table]
    begin, end = id_begin(month.begin), id_begin(month.after().begin)
    run = connection.exec_driver_sql
    run(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING INDEXES)")
    _move(connection, f"{table}_others", name, f"{key} >= '{begin}' AND {key} < '{end}'")
    run(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{begin}') TO ('{end}')")


def _move(connection: sa.Connection, source: str, target: str, which: str) -> None:
    """Move rows to another table with the same columns."""
    moved = f"DELETE FROM {source} WHERE {which} RETURNING *"  # noqa: S608  # names of our own
    statement = f"WITH moved AS ({moved}) INSERT INTO {target} SELECT * FROM moved"  # noqa: S608
    connection.exec_driver_sql(statement)


def drop_months(engine: sa.Engine, before: float) -> None:
    """Drop the partitions that hold nothing but what is from before a moment.

    Raises:
        SQLAlchemyError: somebody reads the journal, or the database is away; what was dropped is
            dropped.
    """
    limit = id_begin(before)
    for table in _KEYS:
        with engine.connect() as connection:
            old = [each.name for each in _partitions(connection, table) if each.end <= limit]
        for name in old:
            with _changing(engine) as connection:
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


def _partitions(connection: sa.Connection, table: str) -> list[Partition]:
    """The stretches of ids that have a partition."""
    found = [
        (name, _BOUNDS.search(bounds))
        for name, bounds in connection.execute(_PARTITIONS, {"parent": table})
    ]
    return [
        Partition(name, None if match[1] == "MINVALUE" else match[1].strip("'"), match[2])
        for name, match in found
        if match is not None
    ]


def divide(engine: sa.Engine, moment: float) -> None:
    """Make the tables of an earlier journal the first partitions of divided ones.

    They go on to hold everything until the month of `moment` ends. PostgreSQL reads them once to
    check that; nobody reads or writes the journal meanwhile.

    Args:
        engine: of a PostgreSQL journal without partitions.
        moment: now, unix seconds.
    """
    end = id_begin(month_of(moment).after().begin)
    with engine.begin() as connection:
        _one_at_a_time(connection)
        for table, key in _KEYS.items():
            _divide(connection, table, key, end)
            _add_months(connection, table, moment)


def _divide(connection: sa.Connection, table: str, key: str, end: str) -> None:
    run, before = connection.exec_driver_sql, f"{table}_before"
    run(f"ALTER TABLE {table} RENAME TO {before}")
    # the primary key of labels does not hold the key, and PostgreSQL wants that of a divided table
    indexes = "INCLUDING INDEXES" if table == PREDICTIONS.name else ""
    run(
        f"CREATE TABLE {table} (LIKE {before} INCLUDING DEFAULTS {indexes})"
        f" PARTITION BY RANGE ({key})"
    )
    if table == LABELS.name:
        sequence = connection.scalar(_SEQUENCE, {"name": before})
        run(f"ALTER SEQUENCE {sequence} OWNED BY {table}.id")
        for column in ("entry_id", "at"):
            run(f"CREATE INDEX ON {table} ({column})")
    _add_others(connection, table)
    _move(connection, before, f"{table}_others", f"{key} >= '{end}'")
    run(f"ALTER TABLE {table} ATTACH PARTITION {before} FOR VALUES FROM (MINVALUE) TO ('{end}')")

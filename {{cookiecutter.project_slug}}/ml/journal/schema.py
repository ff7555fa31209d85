"""The journal's two append-only tables: answers, and the outcomes that became known."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()
PREDICTIONS = sa.Table(
    "predictions",
    METADATA,
    # begins with `at` in milliseconds (`records.id_begin`): appended, never inserted between, and a
    # stretch of time is a stretch of ids, so `at` needs no index
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
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("prediction_id", sa.Text, nullable=False),
    # predictions.prediction_id of the row that holds it
    sa.Column("entry_id", sa.Text, nullable=False, index=True),
    sa.Column("outcome", sa.Text, nullable=False),  # JSON text or number
    # unix seconds; a journal made earlier has no such index and is read all the same
    sa.Column("at", sa.Double, nullable=False, index=True),
)


def has_tables(database: sa.Engine | sa.Connection) -> bool:
    """Whether both tables are in a database."""
    return set(METADATA.tables) <= set(sa.inspect(database).get_table_names())


def missing_columns(engine: sa.Engine) -> list[str]:
    """Columns of `predictions` that a database does not have: an earlier version made its table."""
    present = {column["name"] for column in sa.inspect(engine).get_columns(PREDICTIONS.name)}
    return sorted(set(PREDICTIONS.c.keys()) - present)

"""What is written to the journal beside answers: rows of labels, and statements that remove."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ml.clock import now
from ml.journal.reading import batches
from ml.journal.records import Record
from ml.journal.schema import LABELS, PREDICTIONS


def label_rows(
    labels: Sequence[tuple[str, Any]], held_by: Sequence[str], at: float
) -> list[dict[str, Any]]:
    """Rows of the table `labels`.

    Args:
        labels: (prediction id, outcome).
        held_by: of each label the id of the entry that holds its prediction.
        at: when they came, unix seconds.
    """
    return [
        {"prediction_id": prediction_id, "entry_id": entry_id, "outcome": _json(outcome), "at": at}
        for (prediction_id, outcome), entry_id in zip(labels, held_by, strict=True)
    ]


def _json(outcome: Any) -> str:
    return json.dumps(outcome, ensure_ascii=False)


def delete_entries(connection: sa.Connection, ids: Sequence[str]) -> None:
    """Remove entries and the labels of their answers."""
    for some in batches(ids):
        connection.execute(sa.delete(LABELS).where(LABELS.c.entry_id.in_(some)))
        connection.execute(_delete_where(PREDICTIONS.c.prediction_id.in_(some)))


def _delete_where(condition: sa.ColumnElement[bool]) -> sa.Delete:
    """The statement that removes entries."""
    return sa.delete(PREDICTIONS).where(condition)


def lock_labels(connection: sa.Connection, mode: str) -> None:
    """Keep others from changing labels until the transaction ends; sqlite has the write lock.

    Args:
        connection: in a transaction.
        mode: of PostgreSQL. `ROW EXCLUSIVE` (who adds labels) excludes `SHARE ROW EXCLUSIVE`.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {LABELS.name} IN {mode} MODE")


def insert_and_delete_probe(connection: sa.Connection) -> None:
    """Write one row and remove it: it fails where an answer could not be written."""
    probe = Record(f"probe-{os.getpid()}", now(), "", "probe", None, "", "", None)
    connection.execute(sa.insert(PREDICTIONS), probe._asdict())
    connection.execute(_delete_where(PREDICTIONS.c.prediction_id == probe.prediction_id))

"""The statements that add labels to the journal and remove answers from it, in a transaction."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ml.journal.reading import batches
from ml.journal.records import Record
from ml.journal.schema import LABELS, PREDICTIONS


def label_row(prediction_id: str, entry_id: str, outcome: Any, at: float) -> dict[str, Any]:
    """A row of the table `labels`."""
    return {
        "prediction_id": prediction_id,
        "entry_id": entry_id,
        "outcome": json.dumps(outcome, ensure_ascii=False),
        "at": at,
    }


def delete_entries(connection: sa.Connection, ids: Sequence[str]) -> None:
    """Remove entries and the labels of their answers."""
    for some in batches(ids):
        connection.execute(sa.delete(LABELS).where(LABELS.c.entry_id.in_(some)))
        connection.execute(sa.delete(PREDICTIONS).where(PREDICTIONS.c.prediction_id.in_(some)))


def insert_and_delete_probe(connection: sa.Connection) -> None:
    """Write one row and remove it: it fails where an answer could not be written."""
    row = Record(f"probe-{os.getpid()}", time.time(), "", "probe", None, "", "", None)
    connection.execute(sa.insert(PREDICTIONS), row._asdict())
    connection.execute(
        sa.delete(PREDICTIONS).where(PREDICTIONS.c.prediction_id == row.prediction_id)
    )

"""What leaves the journal: the export to Parquet for analysis, and old answers, which are removed.

Reads: the journal (JOURNAL_URL), params.yaml. Writes: a Parquet file; prune deletes from the
journal.
Run: `ml journal export out.parquet`, `ml journal prune` (journal.keep_days) or
`ml journal prune --days 400`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from ml.encode import DAY_SECONDS
from ml.errors import UserError
from ml.journal.records import Prediction
from ml.journal.store import Journal, JournalError
from ml.params import load_params

ROWS = 20_000  # of one piece of an export
REMOVED_AT_ONCE = 500  # the server waits for the write lock while they are removed
# between two of these, at least: the server tries for the lock every few milliseconds
PAUSE_SECONDS = 0.01


def export(target: Path, days: float | None = None) -> int:
    """Write the answers of the last `days` to Parquet: of every role, with the latest labels.

    Columns: prediction_id, at (UTC), version, role, row_id, features, prediction, probabilities and
    outcome (JSON texts), labelled_at.

    Returns:
        Number of rows.

    Raises:
        UserError: there is nothing to export.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    unfinished = target.with_name(target.name + ".part")
    done, schema = 0, _schema()
    with closing(Journal()) as journal, pq.ParquetWriter(unfinished, schema) as writer:
        rows = journal.predictions(_since(days), role=None)
        while piece := [_row(p) for p in islice(rows, ROWS)]:
            writer.write_table(pa.Table.from_pylist(piece, schema=schema))
            done += len(piece)
    if not done:
        unfinished.unlink()
        raise UserError(
            "journal: there are no answers in that time", "ml serve, then POST /predict"
        )
    unfinished.replace(target)
    print(f"{target}: {done:,} answers")
    return done


def keep_days() -> float:
    """Days for which the journal keeps its answers; 0: for ever.

    Raises:
        UserError: the monitor's window is longer.
    """
    params = load_params()
    days, window = params.journal.keep_days, params.monitor.window_days
    if 0 < days < window:
        raise UserError(
            f"params.yaml: journal.keep_days: {days:g} is less than "
            f"monitor.window_days ({window:g})",
            "keep the answers at least as long as the monitor looks back; 0 keeps all",
        )
    return days


def prune(days: float | None = None) -> int:
    """Remove answers older than `days` and their labels; the server goes on writing.

    Transactions are short, so that it need not wait.

    Args:
        days: default: journal.keep_days of params.yaml.

    Returns:
        Number of answers removed.

    Raises:
        UserError: neither `days` nor params.yaml says how old, or the journal cannot be written.
    """
    if days is None:
        days = keep_days()
        if not days:
            raise UserError(
                "params.yaml: journal.keep_days: 0 keeps all answers", "ml journal prune --days 400"
            )
    with closing(Journal()) as journal:
        try:
            removed = sum(_remove_in_pieces(journal, time.time() - days * DAY_SECONDS))
        except JournalError as error:
            raise UserError(f"{error}", f"ml journal prune --days {days:g}") from None
        left = journal.count()
        print(f"journal: {removed:,} answers older than {days:g} days removed, {left:,} left")
    return removed


def _remove_in_pieces(journal: Journal, before: float) -> Iterator[int]:
    began = time.monotonic()
    while removed := journal.remove(before, REMOVED_AT_ONCE):
        yield removed
        time.sleep(max(PAUSE_SECONDS, time.monotonic() - began))  # half of the time is the server's
        began = time.monotonic()


def _since(days: float | None) -> float:
    return 0.0 if days is None else time.time() - days * DAY_SECONDS


def _schema() -> Any:
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    texts = ("version", "role", "row_id", "features", "prediction", "probabilities", "outcome")
    return pa.schema(
        [
            ("prediction_id", pa.string()),
            ("at", moment),
            *((name, pa.string()) for name in texts),
            ("labelled_at", moment),
        ]
    )


def _row(p: Prediction) -> dict[str, Any]:
    row: dict[str, Any] = {
        "prediction_id": p.prediction_id,
        "at": round(p.at * 1e6),
        "version": p.version,
        "role": p.role,
        "row_id": p.row_id,
        "labelled_at": None if p.labelled_at is None else round(p.labelled_at * 1e6),
    }
    for name in ("features", "prediction", "probabilities", "outcome"):
        value = getattr(p, name)
        row[name] = None if value is None else json.dumps(value, ensure_ascii=False)
    return row

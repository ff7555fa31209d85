"""What leaves the journal: the export to Parquet for analysis, and old answers, which are removed.

Reads: the journal (JOURNAL_URL), params.yaml. Writes: a Parquet file; prune deletes from the
journal, and the ledger says so.
Run: `ml journal export out.parquet`, `ml journal prune` (journal.keep_days) or
`ml journal prune --days 400`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ml.clock import now
from ml.encode import DAY_SECONDS
from ml.errors import UserError
from ml.journal.reading import Older, read_older
from ml.journal.records import Prediction
from ml.journal.store import Journal, JournalError
from ml.ledger import chain
from ml.params import load_params

JSON_COLUMNS = ("features", "prediction", "probabilities", "outcome")
PRUNE = "prune"  # in the ledger
HOUR_SECONDS = 3600.0
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
    unfinished = target.with_name(target.name + ".part")
    with closing(Journal()) as journal:
        answers = _write_parquet(unfinished, journal.predictions(_since(days), role=None))
    if not answers:
        unfinished.unlink()
        raise UserError(
            "journal: there are no answers in that time", "ml serve, then POST /predict"
        )
    unfinished.replace(target)
    print(f"{target}: {answers:,} answers")
    return answers


def _write_parquet(target: Path, predictions: Iterator[Prediction]) -> int:
    """Write answers to Parquet, some at a time; returns how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written, schema = 0, _schema()
    with pq.ParquetWriter(target, schema) as writer:
        while piece := [_row(p) for p in islice(predictions, ROWS)]:
            writer.write_table(pa.Table.from_pylist(piece, schema=schema))
            written += len(piece)
    return written


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


def prune(days: float | None = None, who: str | None = None) -> int:
    """Remove answers older than `days` and their labels; the server goes on writing.

    Transactions are short, so that it need not wait. The ledger gets its line before the first of
    them, one for each whole hour up to which answers are removed: a call that was killed and is
    repeated goes on under the line that it has.

    Args:
        days: default: journal.keep_days of params.yaml.
        who: as the ledger names it; None: git's user.

    Returns:
        Number of answers removed.

    Raises:
        UserError: neither `days` nor params.yaml says how old, or the journal cannot be written.
    """
    if days is None:
        days = _days_to_keep()
    before = (now() - days * DAY_SECONDS) // HOUR_SECONDS * HOUR_SECONDS
    with closing(Journal()) as journal:
        try:
            _record(read_older(journal.engine, before), before, days, who)
            removed = sum(_remove_in_pieces(journal, before))
        except JournalError as error:
            raise UserError(f"{error}", f"ml journal prune --days {days:g}") from None
        kept = journal.count()
        print(f"journal: {removed:,} answers older than {days:g} days removed, {kept:,} left")
    return removed


def _record(older: Older, before: float, days: float, who: str | None) -> None:
    """Say in the ledger what is removed."""
    if not older.answers:
        return
    limit = _iso(before)
    chain.record(
        PRUNE,
        why=f"answers from before {limit[:16]} UTC, kept for {days:g} days",
        who=who,
        evidence={
            "answers": older.answers,
            "labels": older.labels,
            "from": _iso(older.first),
            "until": _iso(older.last),
        },
        decision=f"{PRUNE}-{limit}",
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _days_to_keep() -> float:
    days = keep_days()
    if not days:
        raise UserError(
            "params.yaml: journal.keep_days: 0 keeps all answers", "ml journal prune --days 400"
        )
    return days


def _remove_in_pieces(journal: Journal, before: float) -> Iterator[int]:
    began = time.monotonic()
    while removed := journal.remove(before, REMOVED_AT_ONCE):
        yield removed
        time.sleep(max(PAUSE_SECONDS, time.monotonic() - began))  # half of the time is the server's
        began = time.monotonic()


def _since(days: float | None) -> float:
    return 0.0 if days is None else now() - days * DAY_SECONDS


def _schema() -> Any:
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    texts = ("version", "role", "row_id", *JSON_COLUMNS)
    return pa.schema(
        [
            ("prediction_id", pa.string()),
            ("at", moment),
            *((name, pa.string()) for name in texts),
            ("labelled_at", moment),
        ]
    )


def _row(p: Prediction) -> dict[str, Any]:
    return {
        "prediction_id": p.prediction_id,
        "at": _microseconds(p.at),
        "version": p.version,
        "role": p.role,
        "row_id": p.row_id,
        "labelled_at": _microseconds(p.labelled_at),
        **{name: _json(getattr(p, name)) for name in JSON_COLUMNS},
    }


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e6)


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)

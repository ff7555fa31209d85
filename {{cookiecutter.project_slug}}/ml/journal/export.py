"""What leaves the journal: the export to Parquet for analysis, and old answers, which are removed.

Reads: the journal (JOURNAL_URL), params.yaml. Writes: a Parquet file, here or in S3; prune removes
from the journal, and the ledger says so.
Run: `ml journal export out.parquet`, `ml journal export s3://bucket/out.parquet`,
`ml journal prune` (journal.keep_days) or `ml journal prune --days 400`.
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

from sqlalchemy.exc import SQLAlchemyError

from ml.atomic import writing
from ml.clock import now
from ml.encode import DAY_SECONDS
from ml.errors import UserError, reachable
from ml.journal import partitions
from ml.journal.database import first_line, without_password
from ml.journal.partitions import drop_months, is_divided, month_of
from ml.journal.reading import Older, read_older
from ml.journal.records import Prediction
from ml.journal.store import Journal, JournalError
from ml.ledger import chain
from ml.params import load_params

JSON_COLUMNS = ("features", "prediction", "probabilities", "outcome")
PRUNE = "prune"  # in the ledger
TARGETS = (
    "ml journal export answers.parquet, or s3://bucket/answers.parquet with credentials in"
    " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
HOUR_SECONDS = 3600.0
ROWS = 20_000  # of one piece of an export
REMOVED_AT_ONCE = 500  # the server waits for the write lock while they are removed
# between two of these, at least: the server tries for the lock every few milliseconds
PAUSE_SECONDS = 0.01
DROP_TRIES = 10  # a second apart, for a partition that somebody reads


def export(target: Path | str, days: float | None = None) -> int:
    """Write the answers of the last `days` to Parquet: of every role, with the latest labels.

    Columns: prediction_id, at (UTC), version, role, row_id, features, prediction, probabilities and
    outcome (JSON texts), labelled_at. It streams: some thousand answers are in memory at a time.

    Args:
        target: a file, or an address such as s3://bucket/file.parquet.
        days: how far back; None: everything.

    Returns:
        Number of rows.

    Raises:
        UserError: there is nothing to export, or the target cannot be written.
    """
    address = str(target)
    with reachable(address, TARGETS), writing(address) as file, closing(Journal()) as journal:
        answers = _write_parquet(file, journal.predictions(_since(days), role=None))
        if not answers:
            raise UserError(
                "journal: there are no answers in that time", "ml serve, then POST /predict"
            )
    print(f"{target}: {answers:,} answers")
    return answers


def _write_parquet(target: Any, predictions: Iterator[Prediction]) -> int:
    """Write answers to Parquet, some at a time; returns how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written, schema = 0, export_schema()
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

    In a PostgreSQL journal with months a partition is dropped, and what is left in the oldest month
    goes when the whole month is old enough (journal.whole_months: false: to the hour, row by row).
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
    with closing(Journal()) as journal:
        before = _limit(journal, now() - days * DAY_SECONDS)
        try:
            _record(read_older(journal.engine, before), before, days, who)
            removed = _drop_months(journal, before) + sum(_remove_in_pieces(journal, before))
        except (JournalError, SQLAlchemyError) as error:
            raise UserError(f"{error}", f"ml journal prune --days {days:g}") from None
        kept = journal.count()
        print(f"journal: {removed:,} answers older than {days:g} days removed, {kept:,} left")
    return removed


def _limit(journal: Journal, moment: float) -> float:
    """The moment before which answers are removed: the begin of an hour, or of a month."""
    if is_divided(journal.engine) and load_params().journal.whole_months:
        return month_of(moment).begin
    return moment // HOUR_SECONDS * HOUR_SECONDS


def _drop_months(journal: Journal, before: float) -> int:
    """Drop what partitions it can; returns how many answers were in them.

    A partition that somebody reads is tried again some times: appends wait behind each try.
    """
    if not is_divided(journal.engine):
        return 0
    held = read_older(journal.engine, before).answers
    for is_last in (*[False] * (DROP_TRIES - 1), True):
        try:
            drop_months(journal.engine, before)
            break
        except SQLAlchemyError:
            if is_last:
                raise
            time.sleep(1.0)
    return held - read_older(journal.engine, before).answers


def divide() -> None:
    """Divide a PostgreSQL journal that has no partitions by months.

    Raises:
        UserError: it is divided, or in no PostgreSQL, or it cannot be done now.
    """
    with closing(Journal()) as journal:
        address = f"JOURNAL_URL {without_password(journal.url)}"
        if journal.engine.dialect.name != "postgresql":
            raise UserError(f"{address}: only a PostgreSQL journal is divided", "ml journal prune")
        if is_divided(journal.engine):
            raise UserError(f"{address}: it is divided by months already", "ml journal prune")
        try:
            partitions.divide(journal.engine, now())
        except SQLAlchemyError as error:
            raise UserError(
                f"{address}: not divided, and nothing is changed: {first_line(error)}",
                "end what reads and writes the journal, then repeat ml journal divide",
            ) from None
    print(f"{address}: divided by months\nnext: ml journal prune")


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


def export_schema() -> Any:
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

"""The journal between two moments, in bulk: rows, answers, and the outcomes that have come since.

Reads: the journal (JOURNAL_URL, default sqlite:///serving/journal.db). Writes nothing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sql

from ml.contract import Contract
from ml.journal.bulk.chunk import Chunk, Entries, Floats, RowForm, chunk_of, entries_of
from ml.journal.reading import answered, between_ids, latest_outcomes, pieces
from ml.journal.records import SHADOW, Outcomes
from ml.journal.schema import LABELS, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 25_000  # rows in memory at a time
IS_LABELLED = PREDICTIONS.c.prediction_id == LABELS.c.entry_id  # joins labels to their entries


@dataclass(frozen=True, order=True)
class Span:
    """A half-open stretch of time [start, end), unix seconds."""

    start: float
    end: float

    @property
    def name(self) -> str:
        """Folder name of the window: both moments in UTC, sortable."""
        return f"{_utc_name(self.start)}--{_utc_name(self.end)}"


def _utc_name(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H%M%S")


@dataclass(frozen=True)
class Labels:
    """How the outcomes came."""

    matched: int = 0  # predictions of the window with an outcome
    repeated: int = 0  # outcomes that were sent again alike
    corrected: int = 0  # outcomes that were changed later
    unknown: int = 0  # outcomes for ids that nobody predicted

    def __add__(self, other: Labels) -> Labels:
        return Labels(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def label_counts(engine: sql.Engine, span: Span) -> Labels:
    """Outcomes of the span's predictions, and those received in it for unknown ids."""
    with engine.connect() as connection:
        matched, sent, different = _outcomes_sent(connection, span)
        unknown = _unknown_received(connection, span)
    return Labels(matched, sent - different, different - matched, unknown)


def _outcomes_sent(connection: sql.Connection, span: Span) -> tuple[int, int, int]:
    """Predictions of the span with an outcome; the outcomes sent for them; the different ones."""
    each = _outcomes_by_prediction(span).subquery()
    totals = (sql.func.count(), sql.func.sum(each.c.sent), sql.func.sum(each.c.different))
    matched, sent, different = connection.execute(sql.select(*totals).select_from(each)).one()
    return int(matched), int(sent or 0), int(different or 0)


def _outcomes_by_prediction(span: Span) -> sql.Select[int, int]:
    counts = (
        sql.func.count().label("sent"),
        sql.func.count(LABELS.c.outcome.distinct()).label("different"),
    )
    joined = sql.select(*counts).join(PREDICTIONS, IS_LABELLED)
    return joined.where(*inside(span), *labelled_inside(span)).group_by(LABELS.c.prediction_id)


def _unknown_received(connection: sql.Connection, span: Span) -> int:
    """Outcomes received in the span for ids that nobody predicted."""
    known = sql.exists().where(IS_LABELLED)
    received = (LABELS.c.at >= span.start, LABELS.c.at < span.end)
    query = sql.select(sql.func.count()).select_from(LABELS).where(*received, ~known)
    return int(connection.scalar(query) or 0)


def latest_rows(engine: sql.Engine, rows: int, until: float) -> float:
    """The moment from which on the journal holds so many rows (or all there are) before `until`."""
    with engine.connect() as connection:
        newest = connection.execute(_newest_first(until).limit(rows))
        piece = next(pieces(newest, rows), [])
        return min((at for at, _ in piece), default=until)


def first_and_last(engine: sql.Engine, span: Span) -> tuple[float, float]:
    """The moments of the span's first answer and its last one; its limits where there is none."""
    column = PREDICTIONS.c
    found = sql.select(column.at).where(*inside(span)).limit(1)
    with engine.connect() as connection:
        first = connection.scalar(found.order_by(column.prediction_id))
        last = connection.scalar(found.order_by(column.prediction_id.desc()))
    return (span.start, span.end) if first is None or last is None else (first, last)


def _newest_first(until: float) -> sql.Select[float, int]:
    column = PREDICTIONS.c
    entries = sql.select(column.at, column.rows).where(*inside(Span(0.0, until)))
    return entries.order_by(column.prediction_id.desc())


def outcomes(
    engine: sql.Engine, span: Span, contract: Contract, version: str
) -> tuple[int, Floats, Floats, Floats]:
    """The version's answers in the span, without their features.

    Returns:
        How many, answers (n, k), outcomes (n,), lags (n,).
    """
    of_chunks = (
        _outcomes_of(chunk, version) for chunk in chunks(engine, span, contract, features=False)
    )
    parts = [_no_outcomes(contract), *of_chunks]
    answer, outcome, lag = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return len(outcome), answer, outcome, lag


def _no_outcomes(contract: Contract) -> tuple[Floats, Floats, Floats]:
    """Arrays of no rows, which have a shape even where the span holds none."""
    return np.empty((0, len(contract.target.classes) or 1)), np.empty(0), np.empty(0)


def _outcomes_of(chunk: Chunk, version: str) -> tuple[Floats, Floats, Floats]:
    of_version = chunk.version == version
    return chunk.answer[of_version], chunk.outcome[of_version], chunk.lag[of_version]


def chunks(
    engine: sql.Engine, span: Span, contract: Contract, size: int = CHUNK, features: bool = True
) -> Iterator[Chunk]:
    """The span's rows, `size` at a time, oldest first.

    Without `features` the values of all columns are missing.
    """
    form = RowForm(contract)
    for entries, labels in _ahead(fetched(engine, _query(span, features), size)):
        yield chunk_of(entries_of(entries), labels, form, features)


def _query(span: Span, features: bool) -> sql.Select[Any]:
    """The span's entries as `Entries` has them, oldest first: ids begin with their time."""
    read: list[sql.ColumnElement[Any]] = [PREDICTIONS.c[name] for name in Entries._fields]
    if not features:
        read[Entries._fields.index("features")] = sql.literal(None).label("features")
    return sql.select(*read).where(*inside(span)).order_by(PREDICTIONS.c.prediction_id)


def inside(span: Span) -> tuple[sql.ColumnElement[bool], ...]:
    """The answers of a stretch of time that somebody got."""
    return *answered(span.start, span.end), PREDICTIONS.c.role != SHADOW


def labelled_inside(span: Span) -> list[sql.ColumnElement[bool]]:
    """The same for the labels of such answers, beside `inside`: they too are found by their key."""
    return between_ids(LABELS.c.entry_id, span.start, span.end)


Fetched = tuple[list[tuple[Any, ...]], Outcomes]


def fetched(engine: sql.Engine, query: sql.Select[Any], size: int) -> Iterator[Fetched]:
    """Entries of `size` answers at a time with their latest labels, never all of them in memory.

    sqlite's cursor streams by itself and its own tuples take half the time of SQLAlchemy's rows.
    """
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        result = connection.execute(
            query, execution_options={} if is_sqlite else {"yield_per": 100}
        )
        for entries in _parts(result.cursor if is_sqlite else result, size):
            yield entries, latest_outcomes(connection, entries[0][0], entries[-1][0])


def _parts(cursor: Any, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Entries of `size` answers or some more.

    They are fetched by the hundred: one by one costs as much as sqlite itself.
    """
    part: list[tuple[Any, ...]] = []
    held = 0
    while some := cursor.fetchmany(min(size, 100)):
        part += some
        held += sum([entry[-1] for entry in some])
        if held >= size:
            yield part
            part, held = [], 0
    if part:
        yield part


def _ahead(parts: Iterator[Fetched]) -> Iterator[Fetched]:
    """The same parts, each read while its predecessor is worked on.

    The driver frees the interpreter while it reads.
    """
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = reader.submit(next, parts, None)
            yield part

"""Answers read back from the journal, each with its latest label, some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from ml.journal.records import Outcomes, Prediction, id_begin, place_of, predictions_of
from ml.journal.schema import LABELS, PREDICTIONS

PIECE = 1000  # answers that are read at a time
IDS_AT_ONCE = 500  # sqlite bounds the variables of a statement
ENTRY_ROWS = sa.select(PREDICTIONS.c.prediction_id, PREDICTIONS.c.rows)


def read_predictions(
    engine: sa.Engine, since: float, until: float, role: str | None
) -> Iterator[Prediction]:
    """Answers with since <= at < until, oldest first; `Journal.predictions` says more."""
    query = _query(since, until, role)
    last = ""
    # a transaction for each piece: a long one would keep sqlite's log from starting over
    while True:
        with engine.connect() as connection:
            entries = _piece_after(connection, query, last)
            if not entries:
                return
            last = entries[-1].prediction_id
            outcomes = latest_outcomes(connection, entries[0].prediction_id, last)
        for entry in entries:
            yield from predictions_of(entry, outcomes)


def read_prediction(engine: sa.Engine, prediction_id: str) -> Prediction | None:
    """One answer with its latest label; None: it is not in the journal."""
    asked = read_request(engine, prediction_id)
    place = place_of(prediction_id)[1]
    return asked[place] if place < len(asked) else None


def read_request(engine: sa.Engine, prediction_id: str) -> list[Prediction]:
    """All answers of the entry that holds a prediction, in their order; [] where there is none."""
    entry_id = place_of(prediction_id)[0]
    with engine.connect() as connection:
        query = sa.select(PREDICTIONS).where(PREDICTIONS.c.prediction_id == entry_id)
        entry = connection.execute(query).first()
        outcomes = latest_outcomes(connection, entry_id, entry_id)
    return [] if entry is None else list(predictions_of(entry, outcomes))


def answered(since: float, until: float) -> list[sa.ColumnElement[bool]]:
    """Entries of since <= at < until.

    An id begins with the millisecond of its `at`, in the same reading of the clock, so a stretch of
    time is a stretch of ids, however late an entry was written. The primary key finds them: no
    index of `at` is needed, for which each append would pay.
    """
    column = PREDICTIONS.c
    conditions = [column.at >= since, *between_ids(column.prediction_id, since, until)]
    return conditions if until == float("inf") else [*conditions, column.at < until]


def between_ids(
    column: sa.ColumnElement[str], since: float, until: float
) -> list[sa.ColumnElement[bool]]:
    """Ids of since <= at < until, and of two milliseconds beside that at most."""
    conditions = [column >= id_begin(since)] if since > 0 else []
    return conditions if until == float("inf") else [*conditions, column < id_begin(until + 0.002)]


def _query(since: float, until: float, role: str | None) -> sa.Select[Any]:
    column = PREDICTIONS.c
    query = sa.select(PREDICTIONS).where(*answered(since, until)).order_by(column.prediction_id)
    return query if role is None else query.where(column.role == role)


def _piece_after(connection: sa.Connection, query: sa.Select[Any], last: str) -> list[Any]:
    """The next entries of a query, behind the id `last`."""
    piece = query.where(PREDICTIONS.c.prediction_id > last).limit(PIECE)
    with connection.execute(piece, execution_options={"yield_per": 100}) as entries:
        return next(pieces(entries, PIECE), [])


def pieces(entries: Iterable[Any], rows: int) -> Iterator[list[Any]]:
    """Entries (with `rows` as their last value) in lists of so many answers or a few more.

    The last list may hold fewer.
    """
    piece: list[Any] = []
    held = 0
    for entry in entries:
        piece.append(entry)
        held += entry[-1]
        if held >= rows:
            yield piece
            piece, held = [], 0
    if piece:
        yield piece


def latest_outcomes(connection: sa.Connection, first: str, last: str) -> Outcomes:
    """The latest label of each prediction of the entries from `first` to `last`."""
    # its tuples take half the time of SQLAlchemy's
    cursor: Any = connection.execute(_labels_between(first, last)).cursor
    return {prediction_id: (outcome, at) for prediction_id, outcome, at in cursor.fetchall()}


def _labels_between(first: str, last: str) -> sa.Select[Any]:
    """The labels of the entries from `first` to `last`, in the order in which they came."""
    label = LABELS.c
    query = sa.select(label.prediction_id, label.outcome, label.at)
    return query.where(label.entry_id.between(first, last)).order_by(label.id)


def oldest_entries(connection: sa.Connection, before: float, rows: int) -> list[Any]:
    """(prediction_id, rows) of the oldest entries before a moment: so many answers or some more."""
    column = PREDICTIONS.c
    oldest = ENTRY_ROWS.where(*answered(0.0, before)).order_by(column.prediction_id).limit(rows)
    return next(pieces(connection.execute(oldest), rows), [])


def count_unknown(connection: sa.Connection, places: Sequence[tuple[str, int]]) -> int:
    """How many predictions, each by its entry's id and its place there, are not in the journal."""
    rows = _rows_by_id(connection, sorted({entry_id for entry_id, _ in places}))
    return sum(place >= rows.get(entry_id, 0) for entry_id, place in places)


def _rows_by_id(connection: sa.Connection, ids: Sequence[str]) -> dict[str, int]:
    """Of the entries by these ids that the journal holds, how many rows each has."""
    rows: dict[str, int] = {}
    for some in batches(ids):
        entries = connection.execute(ENTRY_ROWS.where(PREDICTIONS.c.prediction_id.in_(some)))
        rows.update((entry_id, n) for entry_id, n in entries)
    return rows


def batches(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Values in parts that one statement may name."""
    return (values[i : i + IDS_AT_ONCE] for i in range(0, len(values), IDS_AT_ONCE))


def count_answers(engine: sa.Engine) -> int:
    """Number of answers in the journal."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.sum(PREDICTIONS.c.rows))) or 0)

"""Answers read back from the journal, each with its latest label, some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

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
            before, last = last, entries[-1].prediction_id
            outcomes = latest_outcomes(connection, entries[0].prediction_id, last)
        for entry in entries:
            # a request that was split (`ml.journal.erasure`) after it was read is not read again
            if place_of(entry.prediction_id)[0] != before:
                yield from predictions_of(entry, outcomes)


def read_prediction(engine: sa.Engine, prediction_id: str) -> Prediction | None:
    """One answer with its latest label; None: it is not in the journal."""
    asked = read_request(engine, prediction_id)
    return next((answer for answer in asked if answer.prediction_id == prediction_id), None)


def read_request(engine: sa.Engine, prediction_id: str) -> list[Prediction]:
    """All answers of the entry that holds a prediction, in their order; [] where there is none.

    A row is an entry of its own where others of its request were removed (`ml.journal.erasure`).
    """
    ids = {place_of(prediction_id)[0], prediction_id}
    query = sa.select(PREDICTIONS).where(PREDICTIONS.c.prediction_id.in_(ids))
    with engine.connect() as connection:
        entry = connection.execute(query).first()
        if entry is None:
            return []
        outcomes = latest_outcomes(connection, entry.prediction_id, entry.prediction_id)
    return list(predictions_of(entry, outcomes))


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


class Older(NamedTuple):
    """Answers from before a moment."""

    answers: int
    labels: int
    first: float  # unix seconds of the first answer and the last one; 0.0: there is none
    last: float


def read_older(engine: sa.Engine, before: float) -> Older:
    """How many answers and labels there are from before a moment, and from when to when."""
    column, count = PREDICTIONS.c, sa.func.count()
    is_older, is_of = sa.and_(*answered(0.0, before)), LABELS.c.entry_id == column.prediction_id
    totals = sa.select(sa.func.sum(column.rows), sa.func.min(column.at), sa.func.max(column.at))
    labels = sa.select(count).select_from(LABELS).join(PREDICTIONS, is_of).where(is_older)
    with engine.connect() as connection:
        answers, first, last = connection.execute(totals.where(is_older)).one()
        of_them = connection.scalar(labels) if answers else 0
    return Older(int(answers or 0), int(of_them or 0), first or 0.0, last or 0.0)


def oldest_entries(connection: sa.Connection, before: float, rows: int) -> list[Any]:
    """(prediction_id, rows) of the oldest entries before a moment: so many answers or some more."""
    column = PREDICTIONS.c
    oldest = ENTRY_ROWS.where(*answered(0.0, before)).order_by(column.prediction_id).limit(rows)
    return next(pieces(connection.execute(oldest), rows), [])


def entry_ids(connection: sa.Connection, prediction_ids: Sequence[str]) -> tuple[list[str], int]:
    """Of each prediction the id of the entry that holds it, and how many are in none.

    One that is not in the journal gets the id of the entry that would hold it.
    """
    places = {prediction_id: place_of(prediction_id) for prediction_id in prediction_ids}
    rows = _rows_by_id(connection, sorted({entry_id for entry_id, _ in places.values()}))
    others = sorted(p for p, (entry_id, place) in places.items() if place >= rows.get(entry_id, 0))
    # of a request of which other rows were removed (`ml.journal.erasure`)
    alone = _rows_by_id(connection, others)
    unknown = set(others) - set(alone)
    held_by = [p if p in alone else places[p][0] for p in prediction_ids]
    return held_by, sum(p in unknown for p in prediction_ids)


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

"""The rows of a person in the journal: found by their row id, removed with labels and shadows.

A request of several rows is one entry, and the places in it are prediction ids. Where some of its
rows are removed, each of the others becomes an entry of its own under the prediction id that it
has already (`<entry>-3`): ids and answers stay, and who reads the journal sees entries like all
others. So nobody who reads has to know that a row was removed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import compress
from typing import Any, NamedTuple

import sqlalchemy as sa

from ml.journal.reading import batches
from ml.journal.records import Prediction, Record, ids_of, predictions_of
from ml.journal.schema import LABELS, PREDICTIONS
from ml.journal.store import Journal
from ml.journal.writing import lock_labels

ROWS_AT_ONCE = 500  # of the requests that are split in one transaction; the server waits meanwhile
_FOUND = (PREDICTIONS.c.prediction_id, PREDICTIONS.c.at, PREDICTIONS.c.row_id, PREDICTIONS.c.rows)


class Held(NamedTuple):
    """An entry that holds rows of the person."""

    entry_id: str
    at: float  # unix seconds
    rows: int
    places: tuple[int, ...]  # of the person's rows

    @property
    def prediction_ids(self) -> list[str]:
        """Of the person's rows."""
        every = ids_of(self.entry_id, self.rows)
        return [every[place] for place in self.places]


def find(journal: Journal, row_ids: Collection[str]) -> list[Held]:
    """The entries of any role that hold rows with these ids; it reads the whole journal once."""
    wanted = frozenset(row_ids)
    with journal.engine.connect() as connection:
        entries = connection.execute(sa.select(*_FOUND).where(_may_hold(sorted(wanted))))
        held = [_held(*entry, wanted) for entry in entries]
    return [each for each in held if each.places]


def _may_hold(row_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """Entries that may hold such a row: an array of ids is looked through as a text."""
    texts = {json.dumps(row_id, ensure_ascii=a) for row_id in row_ids for a in (True, False)}
    contained = [PREDICTIONS.c.row_id.contains(text, autoescape=True) for text in sorted(texts)]
    is_array = sa.and_(PREDICTIONS.c.rows > 1, sa.or_(*contained))
    return sa.or_(PREDICTIONS.c.row_id.in_(row_ids), is_array)


def _held(entry_id: str, at: float, row_id: str, rows: int, wanted: Collection[str]) -> Held:
    ids = [row_id] if rows == 1 else json.loads(row_id)
    return Held(entry_id, at, rows, tuple(i for i, each in enumerate(ids) if each in wanted))


def count_labels(journal: Journal, prediction_ids: Sequence[str]) -> int:
    """Labels of these predictions; repeated and corrected ones count."""
    counted = sa.select(sa.func.count()).select_from(LABELS)
    with journal.engine.connect() as connection:
        return sum(
            connection.scalar(counted.where(LABELS.c.prediction_id.in_(some))) or 0
            for some in batches(prediction_ids)
        )


def remove(journal: Journal, held: Sequence[Held]) -> None:
    """Remove the person's rows and their labels, in short transactions.

    An entry that is gone meanwhile is left out.

    Raises:
        JournalError: the journal cannot be written; what was removed is removed.
    """
    for some in _pieces(held):
        with journal.changing() as connection:
            lock_labels(connection, "SHARE ROW EXCLUSIVE")
            for each in some:
                _split(connection, each)
                _remove_labels(connection, each)


def _pieces(held: Sequence[Held]) -> Iterator[list[Held]]:
    """Entries with so many rows, or one that has more."""
    piece: list[Held] = []
    for each in held:
        if piece and sum(other.rows for other in piece) + each.rows > ROWS_AT_ONCE:
            yield piece
            piece = []
        piece.append(each)
    if piece:
        yield piece


def _split(connection: sa.Connection, held: Held) -> None:
    """Put entries of one row in place of an entry, for all of its rows but the person's."""
    this = PREDICTIONS.c.prediction_id == held.entry_id
    entry = connection.execute(sa.select(PREDICTIONS).where(this)).first()
    if entry is None:
        return
    others = [i not in held.places for i in range(held.rows)]
    connection.execute(sa.delete(PREDICTIONS).where(this))
    if kept := [_alone(answer) for answer in compress(predictions_of(entry, {}), others)]:
        connection.execute(sa.insert(PREDICTIONS), kept)


def _alone(answer: Prediction) -> dict[str, Any]:
    """An answer as an entry of its own."""
    shares = answer.probabilities
    return Record(
        answer.prediction_id,
        answer.at,
        answer.version,
        answer.role,
        answer.row_id,
        _json(answer.features),
        _json(answer.prediction),
        None if shares is None else _json(shares),
    )._asdict()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _remove_labels(connection: sa.Connection, held: Held) -> None:
    """Remove the labels of the person's rows; the others' name the entries that hold them now."""
    of_entry = LABELS.c.entry_id == held.entry_id
    for some in batches(held.prediction_ids):
        connection.execute(sa.delete(LABELS).where(of_entry, LABELS.c.prediction_id.in_(some)))
    if held.rows > 1:
        moved = sa.update(LABELS).where(of_entry).values(entry_id=LABELS.c.prediction_id)
        connection.execute(moved)


def empty_log(journal: Journal) -> bool:
    """Copy sqlite's log into its file and empty it: then neither holds what was removed.

    Returns:
        False: somebody reads the journal, and the log stays as it is.
    """
    if not journal.is_file:
        return True
    with journal.changing() as connection:
        is_busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    journal.preallocate_wal()  # the server would wait for the log to grow
    return not is_busy

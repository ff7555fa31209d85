"""The journal between two moments, in bulk: rows, answers, and the outcomes that have come since.

Reads: the journal (JOURNAL_URL, default sqlite:///serving/journal.db). Writes nothing.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import sqlalchemy as sql

from ml.contract import Contract
from ml.journal.json_columns import (
    features_schema,
    is_number,
    items,
    no_features,
    read_features,
    read_objects,
)
from ml.journal.reading import latest_outcomes, pieces
from ml.journal.records import SHADOW, Outcomes, ids_of
from ml.journal.schema import LABELS, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CHUNK = 25_000  # rows in memory at a time


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Chunk:
    """Some rows of the window in order of time.

    `table` holds the contract's columns, moments as timestamps; `at` (n,) unix seconds; `answer`
    (n, classes) probabilities or (n, 1) values; `prediction` and `outcome` (n,) class codes or
    values, NaN where an outcome has not come (or is no class of the contract); `lag` (n,) seconds
    from the answer to the outcome. `mistyped` counts values per column that are not of the
    contract's kind, or cannot be read; they are missing in `table`.
    """

    table: pa.Table
    at: NDArray[np.float64]
    version: NDArray[Any]
    answer: NDArray[np.float64]
    prediction: NDArray[np.float64]
    outcome: NDArray[np.float64]
    lag: NDArray[np.float64]
    mistyped: Counter[str]

    def __len__(self) -> int:
        return len(self.at)


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
    row = connection.execute(sql.select(*totals).select_from(each)).one()
    matched, sent, different = (int(n or 0) for n in row)
    return matched, sent, different


def _outcomes_by_prediction(span: Span) -> sql.Select[int, int]:
    counts = (
        sql.func.count().label("sent"),
        sql.func.count(LABELS.c.outcome.distinct()).label("different"),
    )
    joined = sql.select(*counts).join(PREDICTIONS, PREDICTIONS.c.prediction_id == LABELS.c.entry_id)
    return joined.where(*_inside(span)).group_by(LABELS.c.prediction_id)


def _unknown_received(connection: sql.Connection, span: Span) -> int:
    """Outcomes received in the span for ids that nobody predicted."""
    known = sql.exists().where(PREDICTIONS.c.prediction_id == LABELS.c.entry_id)
    received = (LABELS.c.at >= span.start, LABELS.c.at < span.end)
    query = sql.select(sql.func.count()).select_from(LABELS).where(*received, ~known)
    return int(connection.scalar(query) or 0)


def latest_rows(engine: sql.Engine, rows: int, until: float) -> float:
    """The moment from which on the journal holds so many rows (or all there are) before `until`."""
    column = PREDICTIONS.c
    newest = (
        sql.select(column.at, column.rows)
        .where(*_inside(Span(0.0, until)))
        .order_by(column.prediction_id.desc())
    )
    with engine.connect() as connection:
        piece = next(pieces(connection.execute(newest.limit(rows)), rows), [])
        return min((at for at, _ in piece), default=until)


def outcomes(
    engine: sql.Engine, span: Span, contract: Contract, version: str
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The version's answers in the span, without their features.

    Returns:
        How many, answers (n, k), outcomes (n,), lags (n,).
    """
    parts = [[np.empty((0, len(contract.target.classes) or 1)), np.empty(0), np.empty(0)]]
    for chunk in chunks(engine, span, contract, features=False):
        mine = chunk.version == version
        parts.append([chunk.answer[mine], chunk.outcome[mine], chunk.lag[mine]])
    answer, outcome, lag = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return len(outcome), answer, outcome, lag


def chunks(
    engine: sql.Engine, span: Span, contract: Contract, size: int = CHUNK, features: bool = True
) -> Iterator[Chunk]:
    """The span's rows, `size` at a time, oldest first.

    Without `features` the values of all columns are missing.
    """
    form = _Form(contract)
    for entries, labels in _ahead(_fetched(engine, _entries(span, features), size)):
        yield _chunk(_columns(entries), labels, form, features)


class _Form:
    """How rows of a contract are read."""

    def __init__(self, contract: Contract) -> None:
        classes = contract.target.classes
        self.features = features_schema(contract)
        self.probabilities = pa.schema([(name, pa.float64()) for name in classes])
        self._codes = {name: i for i, name in enumerate(classes)}
        self.is_classification = contract.is_classification

    def numbers(self, values: list[Any]) -> NDArray[np.float64]:
        """Class codes or numbers; NaN for what is neither."""
        if self.is_classification:
            codes = self._codes
            known = [codes.get(v, np.nan) if isinstance(v, str) else np.nan for v in values]
        else:
            known = [v if is_number(v) else np.nan for v in values]
        return np.array(known, dtype=np.float64)


class _Columns(NamedTuple):
    """Entries column by column, each a value for each entry; in the order of `_entries`."""

    ids: tuple[str, ...]
    at: tuple[float, ...]
    version: tuple[str, ...]
    features: tuple[str, ...]
    prediction: tuple[str, ...]
    probabilities: tuple[str | None, ...]
    rows: tuple[int, ...]


def _entries(span: Span, features: bool = True) -> sql.Select[Any]:
    column = PREDICTIONS.c
    read = (
        column.prediction_id,
        column.at,
        column.version,
        column.features if features else sql.literal(None).label("features"),
        column.prediction,
        column.probabilities,
        column.rows,
    )
    # ids begin with their time
    return sql.select(*read).where(*_inside(span)).order_by(column.prediction_id)


def _inside(span: Span) -> tuple[sql.ColumnElement[bool], ...]:
    column = PREDICTIONS.c
    return column.at >= span.start, column.at < span.end, column.role != SHADOW


def _columns(entries: list[tuple[Any, ...]]) -> _Columns:
    # five times as fast as zip(*entries), which makes an iterator for each entry
    return _Columns(*(tuple(entry[i] for entry in entries) for i in range(len(entries[0]))))


def _chunk(entries: _Columns, labels: Outcomes, form: _Form, features: bool) -> Chunk:
    at = np.repeat(np.array(entries.at, dtype=np.float64), entries.rows)
    if features:
        table, mistyped = read_features(entries.features, entries.rows, form.features)
    else:
        table, mistyped = no_features(len(at), form.features), Counter()
    prediction = form.numbers(items(entries.prediction, entries.rows))
    outcome, lag = _outcomes(entries, labels, at, form)
    return Chunk(
        table=table,
        at=at,
        version=np.repeat(np.array(entries.version, dtype=object), entries.rows),
        answer=_probabilities(entries, form) if form.is_classification else prediction[:, None],
        prediction=prediction,
        outcome=outcome,
        lag=lag,
        mistyped=mistyped,
    )


def _probabilities(entries: _Columns, form: _Form) -> NDArray[np.float64]:
    """Of each row the probabilities of the classes (n, k); NaN where an entry has none."""
    texts = tuple(
        f"[{','.join(['{}'] * rows)}]" if text is None else text
        for text, rows in zip(entries.probabilities, entries.rows, strict=True)
    )
    table, _ = read_objects(texts, entries.rows, form.probabilities)
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def _outcomes(
    entries: _Columns, labels: Outcomes, at: NDArray[np.float64], form: _Form
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each row its outcome (n,) and the seconds from its answer to it (n,).

    Both are NaN where none has come.
    """
    outcome, lag = np.full(len(at), np.nan), np.full(len(at), np.nan)
    if not labels:
        return outcome, lag
    ids = chain.from_iterable(map(ids_of, entries.ids, entries.rows))
    found = [(i, *label) for i, label in enumerate(map(labels.get, ids)) if label is not None]
    if found:
        places, texts, moments = zip(*found, strict=True)
        labelled = list(places)
        outcome[labelled] = form.numbers(items(texts, (1,) * len(texts)))
        lag[labelled] = np.array(moments) - at[labelled]
    return outcome, lag


Fetched = tuple[list[tuple[Any, ...]], Outcomes]


def _fetched(engine: sql.Engine, query: sql.Select[Any], size: int) -> Iterator[Fetched]:
    """Entries of `size` answers at a time with their latest labels, never all of them in memory.

    sqlite's cursor streams by itself and its own tuples take half the time of SQLAlchemy's rows.
    """
    own = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        found = connection.execute(query, execution_options={} if own else {"yield_per": 100})
        for entries in _parts(found.cursor if own else found, size):
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

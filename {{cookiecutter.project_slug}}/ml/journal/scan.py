"""The journal between two moments, chunk by chunk: rows, answers, and the outcomes that have come since.

Reads: the journal (JOURNAL_URL, default sqlite:///serving/journal.db). Writes nothing.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import sqlalchemy as sql

from ml.contract import Boolean, Categorical, Contract, Datetime, Text
from ml.encode import parse_moment
from ml.journal.records import SHADOW, Outcomes, ids_of
from ml.journal.store import LABELS, PREDICTIONS, latest_outcomes, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CHUNK = 25_000  # rows in memory at a time
MOMENT = pa.timestamp("us")  # naive, in UTC


@dataclass(frozen=True)
class Span:
    """A half-open stretch of time [start, end), unix seconds."""

    start: float
    end: float

    @property
    def name(self) -> str:
        """Folder name of the window: both moments in UTC, sortable."""
        return f"{_stamp(self.start)}--{_stamp(self.end)}"


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H%M%S")


@dataclass(frozen=True)
class Labels:
    """How the outcomes came: predictions of the window with one, sent again alike, changed later, for unknown ids."""

    matched: int = 0
    repeated: int = 0
    corrected: int = 0
    unknown: int = 0


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


def _entries(span: Span, features: bool = True) -> sql.Select[Any]:
    made = PREDICTIONS.c
    read = made.features if features else sql.literal(None).label("features")
    columns = (
        made.prediction_id,
        made.at,
        made.version,
        read,
        made.prediction,
        made.probabilities,
        made.rows,
    )
    # ids begin with their time
    return sql.select(*columns).where(*_inside(span)).order_by(made.prediction_id)


def _inside(span: Span) -> tuple[sql.ColumnElement[bool], ...]:
    made = PREDICTIONS.c
    return made.at >= span.start, made.at < span.end, made.role != SHADOW


def label_counts(engine: sql.Engine, span: Span) -> Labels:
    """Outcomes of the span's predictions, and those received in the span for ids that nobody predicted."""
    counts = (
        sql.func.count().label("sent"),
        sql.func.count(LABELS.c.outcome.distinct()).label("kinds"),
    )
    mine = sql.select(*counts).join(PREDICTIONS, PREDICTIONS.c.prediction_id == LABELS.c.entry_id)
    each = mine.where(*_inside(span)).group_by(LABELS.c.prediction_id).subquery()
    total = sql.select(
        sql.func.count(), sql.func.sum(each.c.sent), sql.func.sum(each.c.kinds)
    ).select_from(each)
    known = sql.exists().where(PREDICTIONS.c.prediction_id == LABELS.c.entry_id)
    received = (LABELS.c.at >= span.start, LABELS.c.at < span.end)
    with engine.connect() as connection:
        matched, sent, kinds = (int(n or 0) for n in connection.execute(total).one())
        unknown = connection.scalar(
            sql.select(sql.func.count()).select_from(LABELS).where(*received, ~known)
        )
    return Labels(matched, sent - kinds, kinds - matched, int(unknown or 0))


def latest_rows(engine: sql.Engine, rows: int, until: float) -> float:
    """The moment from which on the journal holds so many rows (or all there are) before `until`."""
    made = PREDICTIONS.c
    newest = (
        sql.select(made.at, made.rows)
        .where(*_inside(Span(0.0, until)))
        .order_by(made.prediction_id.desc())
    )
    with engine.connect() as connection:
        piece = next(pieces(connection.execute(newest.limit(rows)), rows), [])
        return min((at for at, _ in piece), default=until)


def outcomes(
    engine: sql.Engine, span: Span, contract: Contract, version: str
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The version's answers in the span without their features: how many, answers (n, k), outcomes (n,), lags (n,)."""
    parts = [[np.empty((0, len(contract.target.classes) or 1)), np.empty(0), np.empty(0)]]
    for chunk in chunks(engine, span, contract, features=False):
        mine = chunk.version == version
        parts.append([chunk.answer[mine], chunk.outcome[mine], chunk.lag[mine]])
    answer, outcome, lag = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return len(outcome), answer, outcome, lag


def chunks(
    engine: sql.Engine, span: Span, contract: Contract, size: int = CHUNK, features: bool = True
) -> Iterator[Chunk]:
    """The span's rows, `size` at a time, oldest first; without `features` all of these are missing."""
    schema, probability = features_schema(contract), _probability_schema(contract)
    codes = {name: i for i, name in enumerate(contract.target.classes)}
    for entries, labels in _ahead(_fetched(engine, _entries(span, features), size)):
        # five times as fast as zip(*entries), which makes an iterator for each entry
        columns = (tuple(entry[i] for entry in entries) for i in range(len(entries[0])))
        entry_ids, at, version, texts, prediction, probabilities, rows = columns
        moments = np.repeat(np.array(at, dtype=np.float64), rows)
        if features:
            table, mistyped = _features(texts, rows, schema)
        else:
            table, mistyped = _no_features(schema, len(moments)), Counter()
        predicted = _codes(_items(prediction, rows), codes, contract)
        outcome, lag = _outcomes(entry_ids, rows, labels, moments, codes, contract)
        yield Chunk(
            table=table,
            at=moments,
            version=np.repeat(np.array(version, dtype=object), rows),
            answer=_answer(probabilities, rows, probability) if probability else predicted[:, None],
            prediction=predicted,
            outcome=outcome,
            lag=lag,
            mistyped=mistyped,
        )


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
    """Entries of `size` answers or some more; by the hundred, because one by one costs as much as sqlite itself."""
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
    """The same parts, the next one read while the last one is worked on (the driver frees the interpreter)."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = reader.submit(next, parts, None)
            yield part


def features_schema(contract: Contract) -> pa.Schema:
    return pa.schema([(column.name, _arrow_type(column)) for column in contract.columns])


def _arrow_type(column: Any) -> pa.DataType:
    match column:
        case Categorical() | Text():
            return pa.string()
        case Datetime():
            return MOMENT
        case Boolean():
            return pa.bool_()
        case _:
            return pa.float64()


def _probability_schema(contract: Contract) -> pa.Schema | None:
    return (
        pa.schema([(name, pa.float64()) for name in contract.target.classes])
        if contract.target.classes
        else None
    )


def _features(
    texts: tuple[str, ...], rows: tuple[int, ...], schema: pa.Schema
) -> tuple[pa.Table, Counter[str]]:
    """The entries' rows as a table of this schema; values that do not fit it are null in it, and counted."""
    written = pa.schema([(f.name, pa.string() if f.type == MOMENT else f.type) for f in schema])
    table, mistyped = _read_objects(texts, rows, written)
    for place, field in enumerate(schema):
        if field.type == MOMENT:
            moments, unreadable = _moments(table.column(place))
            table = table.set_column(place, field, moments)
            mistyped[field.name] += unreadable
    return table, +mistyped


def _moments(texts: pa.ChunkedArray) -> tuple[pa.ChunkedArray | pa.Array, int]:
    """Texts as timestamps, null for those that cannot be read, and how many these are."""
    try:
        # quick, and reads the form in which the service writes moments
        return pc.cast(texts, MOMENT), 0
    except pa.ArrowInvalid:
        read = pa.array([_moment(text) for text in texts.to_pylist()], MOMENT)
        return read, read.null_count - texts.null_count


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_moment(text)
    except ValueError:
        return None


def _read_objects(
    texts: tuple[str, ...], rows: tuple[int, ...], schema: pa.Schema
) -> tuple[pa.Table, Counter[str]]:
    try:
        table = _read(texts, schema)
        if len(table) == sum(rows) and _is_finite(table):
            return table, Counter()
    except pa.ArrowInvalid:
        pass  # a row of another contract, or no JSON: told apart value by value
    return _read_one_by_one(_items(texts, rows), schema)


def _is_finite(table: pa.Table) -> bool:
    numbers = (column for column in table.columns if column.type == pa.float64())
    return all(pc.all(pc.is_finite(column)).as_py() is not False for column in numbers)


def _read(texts: tuple[str, ...], schema: pa.Schema) -> pa.Table:
    """JSON objects, and arrays of them, as one table."""
    options = pa.json.ParseOptions(
        explicit_schema=pa.schema([("rows", pa.list_(pa.struct(list(schema))))]),
        unexpected_field_behavior="ignore",
    )
    data = f'{{"rows":{_array(texts)}}}'.encode()
    # its blocks end between lines, and this is one line
    table = pa.json.read_json(
        io.BytesIO(data),
        parse_options=options,
        read_options=pa.json.ReadOptions(block_size=len(data) + 1),
    )
    parts = [part.flatten() for part in table.column("rows").chunks]
    if len(table) != 1 or any(part.null_count for part in parts):
        raise pa.ArrowInvalid("a row is not one JSON object")
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(part) for part in parts], schema)


def _array(texts: tuple[str, ...]) -> str:
    """Single JSON values, and arrays of them, as one array."""
    return f"[{','.join([text[1:-1] if text[:1] == '[' else text for text in texts])}]"


def _items(texts: tuple[str, ...], rows: tuple[int, ...]) -> list[Any]:
    """Single JSON values, and arrays of them, as one list; an entry that is not readable has None for each row."""
    try:
        items: list[Any] = json.loads(_array(texts))
    except ValueError:
        items = []
    if len(items) == sum(rows):
        return items
    return list(chain.from_iterable(map(_items_of, texts, rows)))


def _items_of(text: str, rows: int) -> list[Any]:
    try:
        items = json.loads(_array((text,)))
    except ValueError:
        items = []
    return items if len(items) == rows else [None] * rows


def _no_features(schema: pa.Schema, rows: int) -> pa.Table:
    return pa.table([pa.nulls(rows, field.type) for field in schema], schema=schema)


_NO_ROW = object()  # stands for each value of what is no JSON object: it fits no column


def _read_one_by_one(rows: list[Any], schema: pa.Schema) -> tuple[pa.Table, Counter[str]]:
    mistyped: Counter[str] = Counter()
    columns = {}
    for field in schema:
        values = [row.get(field.name) if isinstance(row, dict) else _NO_ROW for row in rows]
        fits = [v is None or _fits(v, field.type) for v in values]
        mistyped[field.name] += fits.count(False)
        columns[field.name] = pa.array(
            [v if ok else None for v, ok in zip(values, fits, strict=True)], field.type
        )
    return pa.table(columns, schema=schema), mistyped


def _fits(value: Any, kind: pa.DataType) -> bool:
    if kind == pa.float64():
        return _is_number(value)
    return (
        isinstance(value, bool)
        if kind == pa.bool_()
        else isinstance(value, str) and _is_unicode(value)
    )


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )


def _is_unicode(text: str) -> bool:
    """JSON may hold half of a surrogate pair, which no other format can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _answer(
    texts: tuple[str | None, ...], rows: tuple[int, ...], schema: pa.Schema
) -> NDArray[np.float64]:
    absent = (",".join(["{}"] * n) for n in rows)
    filled = tuple(
        f"[{one}]" if text is None else text for text, one in zip(texts, absent, strict=True)
    )
    table, _ = _read_objects(filled, rows, schema)
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def _outcomes(
    entry_ids: tuple[str, ...],
    rows: tuple[int, ...],
    labels: Outcomes,
    at: NDArray[np.float64],
    codes: dict[str, int],
    contract: Contract,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each row its outcome (n,), and the seconds from its answer to it (n,); NaN where none has come."""
    outcome, lag = np.full(len(at), np.nan), np.full(len(at), np.nan)
    found = (
        list(map(labels.get, chain.from_iterable(map(ids_of, entry_ids, rows)))) if labels else []
    )
    places = [i for i, label in enumerate(found) if label is not None]
    if places:
        came = [label for label in found if label is not None]
        texts = tuple(text for text, _ in came)
        outcome[places] = _codes(_items(texts, (1,) * len(texts)), codes, contract)
        lag[places] = np.array([moment for _, moment in came]) - at[places]
    return outcome, lag


def _codes(values: list[Any], codes: dict[str, int], contract: Contract) -> NDArray[np.float64]:
    """Class codes or numbers; NaN for what is neither."""
    if contract.is_classification:
        return np.array(
            [codes.get(v, np.nan) if isinstance(v, str) else np.nan for v in values],
            dtype=np.float64,
        )
    numbers = [v if _is_number(v) else np.nan for v in values]
    return np.array(numbers, dtype=np.float64)

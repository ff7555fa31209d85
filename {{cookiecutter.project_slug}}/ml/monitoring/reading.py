"""The journal between two moments, chunk by chunk: rows, answers, and the outcomes that have come since.

Reads: the journal (JOURNAL_URL, default sqlite:///serving/journal.db). Writes nothing.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.json
import sqlalchemy as sql

from ml.contract import Boolean, Categorical, Contract, Datetime, Text
from ml.serving.journal import LABELS, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

CHUNK = 25_000  # rows in memory at a time
DAY = 86_400.0


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

    `table` holds the contract's columns; `at` (n,) unix seconds; `answer` (n, classes) probabilities or (n, 1)
    values; `prediction` and `outcome` (n,) class codes or values, NaN where an outcome has not come (or is no class
    of the contract); `lag` (n,) seconds from the answer to the outcome. `mistyped` counts values per column that
    are not of the contract's kind; they are missing in `table`.
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


SHADOW = "shadow"  # answers that nobody got: the same requests a second time


def _rows(span: Span, features: bool = True) -> sql.Select[Any]:
    later = LABELS.alias()
    latest = sql.select(sql.func.max(later.c.id)).where(later.c.prediction_id == PREDICTIONS.c.prediction_id)
    joined = PREDICTIONS.outerjoin(LABELS, LABELS.c.id == latest.scalar_subquery())
    made, label = PREDICTIONS.c, LABELS.c
    read = made.features if features else sql.literal("{}")
    columns = (made.at, made.version, read, made.prediction, made.probabilities)
    found = sql.select(*columns, label.outcome, label.at - made.at).select_from(joined)
    return found.where(*_inside(span)).order_by(made.prediction_id)  # ids begin with their time


def _inside(span: Span) -> tuple[sql.ColumnElement[bool], ...]:
    made = PREDICTIONS.c
    return made.at >= span.start, made.at < span.end, made.role != SHADOW


def label_counts(engine: sql.Engine, span: Span) -> Labels:
    """Outcomes of the span's predictions, and those received in the span for ids that nobody predicted."""
    counts = (sql.func.count().label("sent"), sql.func.count(LABELS.c.outcome.distinct()).label("kinds"))
    mine = sql.select(*counts).join(PREDICTIONS, PREDICTIONS.c.prediction_id == LABELS.c.prediction_id)
    each = mine.where(*_inside(span)).group_by(LABELS.c.prediction_id).subquery()
    total = sql.select(sql.func.count(), sql.func.sum(each.c.sent), sql.func.sum(each.c.kinds)).select_from(each)
    known = sql.exists().where(PREDICTIONS.c.prediction_id == LABELS.c.prediction_id)
    received = (LABELS.c.at >= span.start, LABELS.c.at < span.end)
    with engine.connect() as connection:
        matched, sent, kinds = (int(n or 0) for n in connection.execute(total).one())
        unknown = connection.scalar(sql.select(sql.func.count()).select_from(LABELS).where(*received, ~known))
    return Labels(matched, sent - kinds, kinds - matched, int(unknown or 0))


def latest_rows(engine: sql.Engine, rows: int, until: float) -> float:
    """The moment from which on the journal holds so many rows (or all there are) before `until`."""
    newest = sql.select(PREDICTIONS.c.at).where(*_inside(Span(0.0, until))).order_by(PREDICTIONS.c.prediction_id.desc())
    with engine.connect() as connection:
        return min(connection.scalars(newest.limit(rows)), default=until)


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
    codes = {json.dumps(name): i for i, name in enumerate(contract.target.classes)}
    for rows in _ahead(_fetched(engine, _rows(span, features), size)):
        # five times as fast as zip(*rows), which makes an iterator for each row
        columns = (tuple(row[i] for row in rows) for i in range(len(rows[0])))
        at, version, texts, prediction, probabilities, outcome, lag = columns
        table, mistyped = _features(texts, schema)
        predicted = _codes(prediction, codes, contract)
        yield Chunk(
            table=table,
            at=np.array(at, dtype=np.float64),
            version=np.array(version, dtype=object),
            answer=_answer(probabilities, probability) if probability else predicted[:, None],
            prediction=predicted,
            outcome=_codes(outcome, codes, contract),
            lag=np.array(lag, dtype=np.float64),
            mistyped=mistyped,
        )


def _fetched(engine: sql.Engine, query: sql.Select[Any], size: int) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Rows `size` at a time, never all of them in memory.

    sqlite's cursor streams by itself and its own tuples take half the time of SQLAlchemy's rows.
    """
    own = engine.dialect.name == "sqlite"
    with engine.connect().execution_options(stream_results=not own) as connection:
        result = connection.execute(query)
        fetch: Any = result.cursor.fetchmany if own and result.cursor is not None else result.fetchmany
        while rows := fetch(size):
            yield rows


def _ahead(parts: Iterator[Sequence[tuple[Any, ...]]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The same parts, the next one read while the last one is worked on (the driver frees the interpreter)."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, parts, None)
        while (rows := coming.result()) is not None:
            coming = reader.submit(next, parts, None)
            yield rows


def features_schema(contract: Contract) -> pa.Schema:
    return pa.schema([(column.name, _arrow_type(column)) for column in contract.columns])


def _arrow_type(column: Any) -> pa.DataType:
    match column:
        case Categorical() | Text() | Datetime():
            return pa.string()
        case Boolean():
            return pa.bool_()
        case _:
            return pa.float64()


def _probability_schema(contract: Contract) -> pa.Schema | None:
    return pa.schema([(name, pa.float64()) for name in contract.target.classes]) if contract.target.classes else None


def _features(texts: tuple[str, ...], schema: pa.Schema) -> tuple[pa.Table, Counter[str]]:
    try:
        return _read(texts, schema), Counter()
    except pa.ArrowInvalid:  # a row of another contract: told apart value by value
        return _read_one_by_one(texts, schema)


def _read(texts: tuple[str, ...], schema: pa.Schema) -> pa.Table:
    options = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    data = "\n".join(texts).encode()
    reading = pa.json.ReadOptions(block_size=max(1 << 22, len(max(texts, key=len)) * 8))
    table = pa.json.read_json(io.BytesIO(data), parse_options=options, read_options=reading)
    if len(table) != len(texts):
        raise pa.ArrowInvalid("a row is not one JSON object")
    return table.select(schema.names)


_FITS: dict[pa.DataType, tuple[type, ...]] = {pa.string(): (str,), pa.bool_(): (bool,), pa.float64(): (int, float)}


def _read_one_by_one(texts: tuple[str, ...], schema: pa.Schema) -> tuple[pa.Table, Counter[str]]:
    rows = [json.loads(text) for text in texts]
    mistyped: Counter[str] = Counter()
    columns = {}
    for field in schema:
        values = [row.get(field.name) for row in rows]
        fits = [v is None or _fits(v, field.type) for v in values]
        mistyped[field.name] += fits.count(False)
        columns[field.name] = pa.array(
            [v if ok else None for v, ok in zip(values, fits, strict=True)], field.type, from_pandas=True
        )
    return pa.table(columns, schema=schema), +mistyped


def _fits(value: Any, kind: pa.DataType) -> bool:
    return isinstance(value, _FITS[kind]) and (kind == pa.bool_() or not isinstance(value, bool))


def _answer(texts: tuple[str | None, ...], schema: pa.Schema) -> NDArray[np.float64]:
    table = _read(tuple(text or "{}" for text in texts), schema)
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def _codes(texts: tuple[str | None, ...], codes: dict[str, int], contract: Contract) -> NDArray[np.float64]:
    if contract.is_classification:
        known = {text: codes.get(json.dumps(json.loads(text)), np.nan) for text in set(texts) if text is not None}
        return np.array([np.nan if text is None else known[text] for text in texts], dtype=np.float64)
    return np.array([np.nan if text is None else _number(text) for text in texts], dtype=np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan

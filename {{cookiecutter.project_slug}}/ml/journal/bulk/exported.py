"""Exported answers (`ml journal export`) as chunks, like those of the journal itself.

Reads: a Parquet file, here or by its address (s3://bucket/file.parquet).
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.atomic import reading
from ml.errors import UserError, reachable
from ml.journal.bulk.chunk import Entries, RowForm, chunk_of
from ml.journal.bulk.scan import Span
from ml.journal.database import first_line
from ml.journal.records import SHADOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml.contract import Contract
    from ml.journal.bulk.chunk import Chunk
    from ml.journal.records import Outcomes

COLUMNS = ("prediction_id", "at", "version", "role", "features", "prediction", "probabilities")
LABEL_COLUMNS = ("outcome", "labelled_at")
MICROSECONDS = 1e6


@contextmanager
def opened(address: str) -> Iterator[pq.ParquetFile]:
    """An exported file, to be read.

    Raises:
        UserError: it cannot be opened or read, or is no export.
    """
    try:
        with reachable(address, f"ml journal export {address}"), reading(address) as file:
            yield pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise _no_export(address, first_line(error)) from None


def row_groups(address: str) -> int:
    """How many row groups an exported file has.

    Raises:
        UserError: it cannot be opened, or is no export.
    """
    with opened(address) as file:
        missing = sorted({*COLUMNS, *LABEL_COLUMNS} - set(file.schema_arrow.names))
        groups = int(file.num_row_groups) if file.metadata.num_rows else 0
    if missing or not groups:
        raise _no_export(address, f"without the columns {missing}" if missing else "no answers")
    return groups


def exported_span(address: str) -> Span:
    """From the first answer of an exported file to the last one, which is in it.

    Raises:
        UserError: it cannot be opened, or is no export.
    """
    count = row_groups(address)
    with opened(address) as file:
        groups = (file.read_row_group(i, ["at"])["at"] for i in range(count))
        ends = [pc.min_max(_seconds(at)).as_py() for at in groups if len(at)]
    last = max(each["max"] for each in ends)
    return Span(min(each["min"] for each in ends), math.nextafter(last, math.inf))


def _no_export(address: str, reason: str) -> UserError:
    return UserError(f"{address}: no export of a journal: {reason}", "ml journal export FILE")


def export_chunks(
    address: str, groups: tuple[int, int], span: Span, contract: Contract
) -> Iterator[Chunk]:
    """The span's rows in some row groups of an exported file, a row group at a time."""
    form = RowForm(contract)
    with opened(address) as file:
        for group in range(*groups):
            table = _inside(file.read_row_group(group, [*COLUMNS, *LABEL_COLUMNS]), span)
            if len(table):
                yield _chunk(table, form)


def _inside(table: pa.Table, span: Span) -> pa.Table:
    """The answers of a span that somebody got."""
    at = _seconds(table["at"])
    inside = pc.and_(pc.greater_equal(at, span.start), pc.less(at, span.end))
    return table.filter(pc.and_(inside, pc.not_equal(table["role"], SHADOW)))


def _seconds(moments: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.divide(pc.cast(pc.cast(moments, pa.int64()), pa.float64()), MICROSECONDS)


def _chunk(table: pa.Table, form: RowForm) -> Chunk:
    ids = tuple(table["prediction_id"].to_pylist())
    entries = Entries(
        prediction_id=ids,
        at=tuple(_seconds(table["at"]).to_pylist()),
        version=tuple(table["version"].to_pylist()),
        features=tuple(table["features"].to_pylist()),
        prediction=tuple(table["prediction"].to_pylist()),
        probabilities=tuple(table["probabilities"].to_pylist()),
        rows=(1,) * len(ids),
    )
    return chunk_of(entries, _outcomes(table, ids), form, features=True)


def _outcomes(table: pa.Table, ids: tuple[str, ...]) -> Outcomes:
    moments = _seconds(table["labelled_at"]).to_pylist()
    labels = zip(ids, table["outcome"].to_pylist(), moments, strict=True)
    return {each: (outcome, at) for each, outcome, at in labels if outcome is not None}

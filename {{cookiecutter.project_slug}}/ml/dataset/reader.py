"""A file of rows → a table of texts, one column per header name.

Reads: .csv, .csv.gz (any separator and encoding that `Source` names) and .parquet. Used by
`ml.adopt` to infer the contract and by `ml.pipeline.ingest` to follow it, so that both see the same
texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ml.dataset.csv_file import UNREADABLE, column_names, csv_batches, csv_names
from ml.errors import UserError

if TYPE_CHECKING:
    from ml.contract import Source
    from ml.dataset.csv_file import Watch

PARQUET_ROWS = 100_000  # in one batch
RAW = Path("data/raw")


def is_parquet(path: Path) -> bool:
    """Whether the file's first bytes are Parquet's."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def read_texts(path: Path, source: Source, watch: Watch | None = None) -> pa.Table:
    """The whole file as a table.

    Text columns for CSV, typed columns for Parquet, names made unique.

    Args:
        path: the file.
        source: how it is written.
        watch: shows how far the reading of a text file is.

    Raises:
        UserError: not readable as this separator and encoding, no rows, rows of different lengths.
    """
    return pa.concat_tables(text_batches(path, source, watch))


def text_batches(path: Path, source: Source, watch: Watch | None = None) -> Iterator[pa.Table]:
    """The file as tables of some rows each, in order: see `read_texts`."""
    batches = (
        _parquet_batches(path)
        if is_parquet(path)
        else csv_batches(path, source, watch or _unwatched)
    )
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        if batch.num_rows:
            yield batch
    if not rows:
        raise UserError(f"{path}: it holds no rows", "give a file with rows under its header")


def names_in(path: Path, source: Source) -> list[str]:
    """The names of a file's columns."""
    if not is_parquet(path):
        return csv_names(path, source)
    try:
        return column_names(pq.ParquetFile(path).schema_arrow.names)
    except UNREADABLE as error:
        raise _not_parquet(path, error) from None


def _not_parquet(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: not a readable Parquet file: {error}", "write it again")


def _parquet_batches(path: Path) -> Iterator[pa.Table]:
    try:
        file = pq.ParquetFile(path)  # `pq.read_table` fails at two columns of one name
        names = column_names(file.schema_arrow.names)
        for batch in file.iter_batches(PARQUET_ROWS):
            yield pa.Table.from_batches([batch]).rename_columns(names)
    except UNREADABLE as error:
        raise _not_parquet(path, error) from None


def _unwatched(file: BinaryIO, _size: int, _name: str) -> BinaryIO:
    return file


def stored_parts(folder: Path = RAW) -> list[Path]:
    """The parts in name order, perhaps none; dot files are no parts."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")


def raw_parts(folder: Path = RAW) -> list[Path]:
    """The parts in name order; dot files are none.

    Raises:
        UserError: there is no part.
    """
    parts = stored_parts(folder)
    if not parts:
        raise UserError(
            f"{folder}: it holds no data", "dvc pull, or make adopt DATA=your.csv TARGET=column"
        )
    return parts

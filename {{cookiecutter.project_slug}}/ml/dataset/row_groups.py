"""A Parquet table some rows at a time, in their order, so that memory does not grow with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq


def row_groups(file: pq.ParquetFile, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The groups of rows in which a table was written; `columns` names those that are read."""
    wanted = None if columns is None else list(columns)
    return (file.read_row_group(i, columns=wanted) for i in range(file.num_row_groups))

"""A person's rows in the parts of data/raw that came from the journal.

Reads and writes: data/raw/NNNN-journal.parquet. A part is replaced in one step; DVC's cache, which
may share the file, keeps the version before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ml.atomic import staged
from ml.contract import JOURNALED, Contract
from ml.dataset.reader import stored_parts
from ml.loop.journal_part import JOURNAL_PART

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import pyarrow as pa


class Rows(NamedTuple):
    """A person's rows in one part."""

    path: Path
    prediction_ids: list[str]


def journal_parts() -> list[Path]:
    """The parts that came from the journal, in their order."""
    return [path for path in stored_parts() if path.name.endswith(f"-{JOURNAL_PART}")]


def other_parts() -> list[Path]:
    """The other parts: a person's own table, which nothing here changes."""
    return [path for path in stored_parts() if not path.name.endswith(f"-{JOURNAL_PART}")]


def find(row_ids: Collection[str], predictions: Collection[str], contract: Contract) -> list[Rows]:
    """The parts that hold rows with one of these row ids, or one of these predictions."""
    found = []
    for path in journal_parts():
        table, is_theirs = _read(path, row_ids, predictions, contract)
        ids = table.column(contract.added(JOURNALED)).filter(is_theirs).to_pylist()
        if ids:
            found.append(Rows(path, ids))
    return found


def remove(found: Collection[Rows], contract: Contract) -> None:
    """Remove the rows; a part that holds no others is removed."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for path, prediction_ids in found:
        table, is_theirs = _read(path, (), prediction_ids, contract)
        others = table.filter(pc.invert(is_theirs))
        if not others.num_rows:
            path.unlink()
            continue
        with staged(path) as draft:
            pq.write_table(others, draft)


def _read(
    path: Path, row_ids: Collection[str], predictions: Collection[str], contract: Contract
) -> tuple[pa.Table, pa.Array]:
    """A part, and which of its rows are theirs."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()
    wanted = {contract.added(JOURNALED): predictions, contract.id: row_ids}
    is_theirs = pa.array([False] * table.num_rows)
    for name in wanted.keys() & set(table.column_names):
        texts = pc.cast(table.column(name), pa.string())
        is_in = pc.is_in(texts, value_set=pa.array(sorted(wanted[name]), pa.string()))
        is_theirs = pc.or_(is_theirs, is_in.combine_chunks())
    return table, is_theirs

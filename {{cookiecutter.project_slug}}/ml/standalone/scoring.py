"""Offline batches: a typed Parquet table in, the same answers as over HTTP out, streamed.

Reads: serving/champion (ML_BUNDLE), a Parquet file with the contract's columns. Writes: a Parquet
file with the input's columns, `prediction`, `probability:<class>` of each class, and
`model_version` (with a `_` behind the name of one that the input has already). Run: `ml score
in.parquet out.parquet`.
"""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ml.atomic import staged
from ml.bundle import CHAMPION, Bundle, load_bundle
from ml.contract import Contract
from ml.dataset.checks import ANY_RANGE, feature_schema, findings_of, refuse
from ml.dataset.frame import answer_columns, encode_frame, typed
from ml.dataset.soundness import are_sound_features
from ml.encode import Encoder
from ml.errors import UserError, listing
from ml.progress import counting

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ml.bundle import Answers

USAGE = "ml score in.parquet out.parquet"
ROWS = 50_000  # of one piece: some tens of megabytes


def score(source: Path, target: Path) -> int:
    """Score a file piece by piece; the result appears under its name when it is complete.

    Returns:
        Number of rows.

    Raises:
        UserError: the file is missing, is no Parquet, or holds what the contract does not allow.
    """
    bundle = load_bundle(Path(os.environ.get("ML_BUNDLE") or CHAMPION))
    table = _opened(source)
    check_columns(table.schema_arrow.names, bundle.contract, source)
    with staged(target) as draft:
        write_pieces(_answered(table, bundle, source), draft)
    rows = int(table.metadata.num_rows)
    print(f"{target}: {rows:,} rows scored by version {bundle.version}")
    return rows


def _opened(source: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not source.is_file():
        raise UserError(f"{source}: no such file", USAGE)
    try:
        table = pq.ParquetFile(source)
    except pa.ArrowInvalid as error:
        raise UserError(f"{source}: not a Parquet file: {error}", USAGE) from None
    if not table.metadata.num_rows:
        raise UserError(f"{source}: holds no rows", USAGE)
    return table


def _answered(table: pq.ParquetFile, bundle: Bundle, source: Path) -> Iterator[pa.Table]:
    done = 0
    with counting("scoring", table.metadata.num_rows) as advance:
        for piece in table.iter_batches(ROWS):
            yield answer(piece, bundle, f"{source}: rows from {done:,}")
            done += piece.num_rows
            advance(piece.num_rows)


def write_pieces(pieces: Iterator[pa.Table], path: Path) -> None:
    """Write tables to a Parquet file, a row group for each."""
    import pyarrow.parquet as pq

    first = next(pieces)
    with pq.ParquetWriter(path, first.schema) as writer:
        for piece in chain([first], pieces):
            writer.write_table(piece)


def answer(piece: pa.RecordBatch, bundle: Bundle, where: str = "rows") -> pa.Table:
    """A piece of the table with the model's answers beside it.

    Raises:
        UserError: a value that the contract does not allow; it names column and value.
    """
    import pyarrow as pa

    contract, table = bundle.contract, pa.Table.from_batches([piece])
    frame = piece.to_pandas()
    for name in set(contract.audited) - set(frame):  # not asked for, and not looked at
        frame[name] = None
    answers = _answers(typed(frame, contract), table, bundle, where)
    versions = [bundle.version] * piece.num_rows
    columns = {**answer_columns(answers, contract), "model_version": versions}
    for name, values in columns.items():
        table = table.append_column(contract.added(name, *piece.schema.names), pa.array(values))
    return table


def _answers(frame: pd.DataFrame, table: pa.Table, bundle: Bundle, where: str) -> Answers:
    """The bundle's answers, if the rows keep the contract and the answers are numbers."""
    if not are_sound_features(table, bundle.contract, ANY_RANGE):  # pandera says what is broken
        refuse(findings_of(frame, feature_schema(bundle.contract)), len(frame), where)
    answers = bundle.answer(encode_frame(frame, Encoder(bundle.contract)))
    if not np.isfinite(answers).all():
        raise UserError(
            f"{where}: the model's answer is no finite number", "ml rollback, then ml score again"
        )
    return answers


def check_columns(names: list[str], contract: Contract, source: Path | str) -> None:
    """Refuse a table that lacks one of the contract's features.

    Raises:
        UserError: it names the first that is absent.
    """
    absent = [c.name for c in contract.columns if c.name not in names and c.use == "feature"]
    if absent:
        raise UserError(
            f'{source}: there is no column "{absent[0]}"; there are: {listing(names)}',
            f"mend {source}",
        )

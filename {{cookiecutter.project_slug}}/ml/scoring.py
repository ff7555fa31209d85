"""Offline batches: a typed Parquet table in, the same answers as over HTTP out, streamed.

Reads: serving/champion (ML_BUNDLE), a Parquet file with the contract's columns. Writes: a Parquet
file with the input's columns, `prediction`, `probability:<class>` of each class, and
`model_version` (with a `_` behind the name of one that the input has already). Run: `ml score
in.parquet out.parquet`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.atomic import staged
from ml.bundle import CHAMPION, Bundle, load_bundle
from ml.contract import FLOAT32_MAX as LARGEST
from ml.contract import Categorical, Column, Contract, Integer, Numeric
from ml.dataset.frame import encode_frame, typed
from ml.encode import Encoder
from ml.errors import UserError, listing, printable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from ml.bundle import Answers

ROWS = 50_000  # of one piece: some tens of megabytes


def score(source: Path, target: Path) -> int:
    """Score a file piece by piece; the result appears under its name when it is complete.

    Returns:
        Number of rows.

    Raises:
        UserError: the file is missing, is no Parquet, or holds what the contract does not allow.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    bundle = load_bundle(Path(os.environ.get("ML_BUNDLE") or CHAMPION))
    if not source.is_file():
        raise UserError(f"{source}: no such file", "ml score in.parquet out.parquet")
    try:
        table = pq.ParquetFile(source)
    except pa.ArrowInvalid as error:
        raise UserError(
            f"{source}: not a Parquet file: {error}", "ml score in.parquet out.parquet"
        ) from None
    _check_columns(table.schema_arrow.names, bundle.contract, source)
    with staged(target) as draft:
        rows = _stream(table, bundle, draft, source)
    print(f"{target}: {rows:,} rows scored by version {bundle.version}")
    return rows


def _stream(table: Any, bundle: Bundle, target: Path, source: Path) -> int:
    import pyarrow.parquet as pq
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    done, writer = 0, None
    with Progress(
        *Progress.get_default_columns(), MofNCompleteColumn(), console=Console(stderr=True)
    ) as progress:
        task = progress.add_task("scoring", total=table.metadata.num_rows)
        for piece in table.iter_batches(ROWS):
            answered = answer(piece, bundle, f"{source}: rows from {done:,}")
            writer = writer or pq.ParquetWriter(target, answered.schema)
            writer.write_table(answered)
            done += piece.num_rows
            progress.update(task, completed=done)
    if writer is None:
        raise UserError(f"{source}: holds no rows", "ml score in.parquet out.parquet")
    writer.close()
    return done


def answer(piece: pa.RecordBatch, bundle: Bundle, where: str = "rows") -> pa.Table:
    """A piece of the table with the model's answers beside it.

    Raises:
        UserError: a value that the contract does not allow; it names column and value.
    """
    import pyarrow as pa

    contract, table = bundle.contract, pa.Table.from_batches([piece])
    answers = _answers(typed(piece.to_pandas(), contract), bundle, where)
    columns = {**_columns(answers, contract), "model_version": [bundle.version] * piece.num_rows}
    for name, values in columns.items():
        table = table.append_column(contract.added(name, *piece.schema.names), pa.array(values))
    return table


def _answers(frame: pd.DataFrame, bundle: Bundle, where: str) -> Answers:
    """The bundle's answers, if the rows keep the contract and the answers are numbers."""
    for column in bundle.contract.columns:
        _check(frame[column.name], column, where)
    answers = bundle.answer(encode_frame(frame, Encoder(bundle.contract)))
    if not np.isfinite(answers).all():
        raise UserError(
            f"{where}: the model's answer is no finite number", "ml rollback, then ml score again"
        )
    return answers


def _columns(answers: Answers, contract: Contract) -> dict[str, Any]:
    if not contract.is_classification:
        return {"prediction": answers[:, 0]}
    classes = np.array(contract.target.classes, dtype=object)
    shares = {
        f"probability:{name}": answers[:, i] for i, name in enumerate(contract.target.classes)
    }
    return {"prediction": classes[answers.argmax(axis=1)], **shares}


def _check_columns(names: list[str], contract: Contract, source: Path) -> None:
    absent = [name for name in contract.names if name not in names]
    if absent:
        there = f"there are: {listing(names)}"
        raise UserError(f'{source}: there is no column "{absent[0]}"; {there}', f"mend {source}")


def _check(values: pd.Series, column: Column, where: str) -> None:
    """The same demands as a request's (`ml.request_schema`), on a whole column."""
    if not column.missing and values.isna().any():
        raise _refused(where, column, "a value is missing")
    present = values.dropna()
    match column:
        case Numeric() | Integer():
            numbers = present.to_numpy(dtype=np.float64)
            bad = _not_of_kind(numbers, column)
            if bad.any():
                raise _refused(where, column, f"{numbers[bad][0]:g} is not a {column.kind} value")
        case Categorical(levels=levels, unseen="refuse"):
            unseen = present[~present.isin(levels)]
            if len(unseen):
                what = f'"{printable(unseen.iloc[0])}" is not one of its {len(levels)} levels'
                raise _refused(where, column, what)
        case _:
            return


def _not_of_kind(numbers: NDArray[np.float64], column: Numeric | Integer) -> NDArray[np.bool_]:
    """Which numbers do not fit a float32, or are not whole where they have to be."""
    beyond = ~(np.abs(numbers) <= LARGEST)
    return beyond | (numbers != np.round(numbers)) if isinstance(column, Integer) else beyond


def _refused(where: str, column: Column, what: str) -> UserError:
    return UserError(
        f'{where}: column "{column.name}": {what}', "mend the file, or contract.yaml and make flow"
    )

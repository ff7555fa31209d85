"""Typed tables in pandas: rows that follow the contract, for the pipeline and the monitor.

dtypes: numbers and integers float64 (NaN: missing), booleans object (True, False, None), levels and
texts object (str or None), moments datetime64[us] (NaT), the target str (classes) or float64, the
id str.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.contract import Boolean, Categorical, Contract, Datetime, Text
from ml.encode import parse_moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ml.encode import Encoder, Matrix


def read_table(path: Path, contract: Contract) -> pd.DataFrame:
    """Read a typed Parquet table (as written by `ml.pipeline.ingest`) with this module's dtypes."""
    return typed(pd.read_parquet(path), contract)


def frame_of_rows(rows: Sequence[Mapping[str, Any]], contract: Contract) -> pd.DataFrame:
    """JSON-like rows (a request's, the journal's) as a typed frame; absent columns are missing."""
    return typed(
        pd.DataFrame({name: [row.get(name) for row in rows] for name in contract.names}), contract
    )


def typed(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The frame with this module's dtypes.

    Columns that the contract does not name stay as they are.
    """
    made = {str(name): values for name, values in frame.items()}
    for column in contract.columns:
        if column.name in made:
            made[column.name] = _typed_column(made[column.name], column)
    if contract.target.name in made:
        target = made[contract.target.name]
        made[contract.target.name] = (
            _objects(target) if contract.is_classification else target.astype("float64")
        )
    return pd.DataFrame(made, index=frame.index)


def _typed_column(values: pd.Series, column: Any) -> pd.Series:
    if isinstance(column, Boolean | Categorical | Text):
        return _objects(values)
    if isinstance(column, Datetime):
        return _moments(values)
    return values.astype("float64")


def _moments(values: pd.Series) -> pd.Series:
    """Timestamps or ISO 8601 texts as naive moments in UTC."""
    if not pd.api.types.is_datetime64_any_dtype(values):
        present = [None if pd.isna(value) else value for value in values]
        read = [parse_moment(value) if isinstance(value, str) else value for value in present]
        values = pd.Series(np.array(read, dtype="datetime64[us]"), index=values.index)
    return pd.to_datetime(values, utc=True).dt.tz_localize(None).astype("datetime64[us]")


def _objects(values: pd.Series) -> pd.Series:
    listed = values.astype(object)
    return listed.where(listed.notna(), None)


def encode_frame(frame: pd.DataFrame, encoder: Encoder) -> Matrix:
    """The encoder's matrix for a typed frame."""
    return encoder.columns({str(name): values.to_numpy() for name, values in frame.items()})


def target_codes(frame: pd.DataFrame, contract: Contract) -> NDArray[Any]:
    """The target as class codes (int64, position in `classes`) or as float64 values."""
    values = frame[contract.target.name]
    if not contract.is_classification:
        return values.to_numpy(dtype=np.float64)
    codes = {name: i for i, name in enumerate(contract.target.classes)}
    return values.map(codes).to_numpy(dtype=np.int64)


def answer_columns(answer: NDArray[Any], contract: Contract) -> dict[str, NDArray[Any]]:
    """An answer matrix as columns: `prediction` (label or value) and `probability:<class>`."""
    if not contract.is_classification:
        return {"prediction": answer[:, 0]}
    classes = np.array(contract.target.classes, dtype=object)
    probabilities = {f"probability:{name}": answer[:, i] for i, name in enumerate(classes)}
    return {"prediction": classes[answer.argmax(axis=1)], **probabilities}


def rows_of_frame(frame: pd.DataFrame, contract: Contract) -> list[dict[str, Any]]:
    """Typed frame → JSON-like rows, as a request carries them: the inverse of `frame_of_rows`."""
    columns = {c.name: _json_values(frame[c.name], c) for c in contract.columns}
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _json_values(values: pd.Series, column: Any) -> list[Any]:
    if isinstance(column, Datetime):
        return [None if pd.isna(v) else v.isoformat() for v in values]
    if isinstance(column, Boolean | Categorical | Text):
        return [None if pd.isna(v) else v for v in values.tolist()]
    whole = column.kind == "integer"
    return [None if np.isnan(v) else (int(v) if whole else v) for v in values.tolist()]

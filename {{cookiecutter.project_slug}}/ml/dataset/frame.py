"""Typed tables in pandas: rows that follow the contract, for the pipeline and the monitor.

dtypes: numbers and integers float64 (NaN: missing), booleans object (True, False, None), levels and
texts object (str or None), moments datetime64[us] (NaT), the target str (classes) or float64, the
id str.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.contract import Boolean, Categorical, Contract, Datetime, Integer, Text
from ml.encode import parse_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ml.contract import Column
    from ml.encode import Encoder, Matrix

    AsType = Callable[[pd.Series], pd.Series]


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
    columns = {str(name): values for name, values in frame.items()}
    for name, as_type in _types(contract).items():
        if name in columns:
            columns[name] = as_type(columns[name])
    return pd.DataFrame(columns, index=frame.index)


def _types(contract: Contract) -> dict[str, AsType]:
    """Column → what gives it its dtype, for the columns of a row and the target."""
    types = {column.name: _type_of(column) for column in contract.columns}
    return types | {contract.target.name: _objects if contract.is_classification else _floats}


def _type_of(column: Column) -> AsType:
    if isinstance(column, Boolean | Categorical | Text):
        return _objects
    return _moments if isinstance(column, Datetime) else _floats


def _floats(values: pd.Series) -> pd.Series:
    return values.astype("float64")


def _moments(values: pd.Series) -> pd.Series:
    """Timestamps or ISO 8601 texts as naive moments in UTC."""
    is_read = pd.api.types.is_datetime64_any_dtype(values)
    read = values if is_read else _parsed_moments(values)
    return pd.to_datetime(read, utc=True).dt.tz_localize(None).astype("datetime64[us]")


def _parsed_moments(values: pd.Series) -> pd.Series:
    read = [_moment(value) for value in values]
    return pd.Series(np.array(read, dtype="datetime64[us]"), index=values.index)


def _moment(value: Any) -> Any:
    if pd.isna(value):
        return None
    return parse_moment(value) if isinstance(value, str) else value


def _objects(values: pd.Series) -> pd.Series:
    listed = values.astype(object)
    return listed.where(listed.notna(), None)


def encode_frame(frame: pd.DataFrame, encoder: Encoder) -> Matrix:
    """The encoder's matrix for a typed frame."""
    return encoder.columns({str(name): values.to_numpy() for name, values in frame.items()})


def target_codes(frame: pd.DataFrame, contract: Contract) -> NDArray[Any]:
    """The target as class codes (int64, position in `classes`) or as float64 values."""
    values = frame[contract.target.name]
    if contract.is_classification:
        return _class_codes(values, contract.target.classes)
    return values.to_numpy(dtype=np.float64)


def _class_codes(values: pd.Series, classes: Sequence[str]) -> NDArray[Any]:
    codes = {name: i for i, name in enumerate(classes)}
    return values.map(codes).to_numpy(dtype=np.int64)


def answer_columns(answer: NDArray[Any], contract: Contract) -> dict[str, NDArray[Any]]:
    """An answer matrix as columns: `prediction` (label or value) and `probability:<class>`."""
    if not contract.is_classification:
        return {"prediction": answer[:, 0]}
    classes = np.array(contract.target.classes, dtype=object)
    probabilities = {f"probability:{name}": answer[:, i] for i, name in enumerate(classes)}
    return {"prediction": classes[answer.argmax(axis=1)], **probabilities}


def answer_matrix(frame: pd.DataFrame, contract: Contract) -> NDArray[np.float64]:
    """The answers (n, k) that stand in a reference's columns: the inverse of `answer_columns`."""
    names = [f"probability:{name}" for name in contract.target.classes] or ["prediction"]
    return frame[[contract.added(name) for name in names]].to_numpy(dtype=np.float64)


def rows_of_frame(frame: pd.DataFrame, contract: Contract) -> list[dict[str, Any]]:
    """Typed frame → JSON-like rows, as a request carries them: the inverse of `frame_of_rows`."""
    columns = {c.name: _json_values(frame[c.name], c) for c in contract.columns}
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _json_values(values: pd.Series, column: Column) -> list[Any]:
    as_json = _as_json(column)
    return [None if pd.isna(value) else as_json(value) for value in values.tolist()]


def _as_json(column: Column) -> Callable[[Any], Any]:
    """What makes one value of the frame a value of JSON."""
    if isinstance(column, Datetime):
        return pd.Timestamp.isoformat
    return int if isinstance(column, Integer) else lambda value: value

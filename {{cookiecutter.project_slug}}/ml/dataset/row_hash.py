"""A row's identity as a number: which rows a model was trained on can be told without the rows.

A row of the journal is its prediction; any other row is its id and the values of its columns. The
target is no part of it: a row that was seen with another outcome was seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.contract import JOURNALED

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.contract import Contract

    Hashes = NDArray[np.uint64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing (Knuth 1973, 6.4)


def row_hashes(frame: pd.DataFrame, contract: Contract) -> Hashes:
    """Hashes of the rows of a typed frame, uint64 (n,): the same in every process and order.

    The prediction's id alone where a row has one (a part that `ml retrain` wrote); else the id and
    all columns of the contract, of which the frame may lack some: they count as missing. The order
    of columns and rows does not matter. Two different rows of a million share a hash with
    probability 3e-8 in all.
    """
    hashes = _of_columns(frame, contract)
    journaled = contract.added(JOURNALED)
    if journaled in frame:
        from_journal = frame[journaled].notna().to_numpy()
        hashes[from_journal] = _of_values(frame.loc[from_journal, journaled].astype(str))
    return hashes


def _of_columns(frame: pd.DataFrame, contract: Contract) -> Hashes:
    names = sorted({*contract.names, *([contract.id] if contract.id else [])})
    complete = frame.reindex(columns=names)
    hashes = np.zeros(len(frame), dtype=np.uint64)
    for name in names:
        hashes = (hashes ^ _of_values(complete[name])) * _FACTOR  # wraps around, as is meant
    return hashes


def _of_values(values: pd.Series) -> Hashes:
    """One column's hashes; all missing values are alike, and so are -0.0 and 0.0."""
    from pandas.api.types import is_numeric_dtype
    from pandas.util import hash_array

    missing = values.isna().to_numpy()
    if is_numeric_dtype(values.dtype):
        plain = values.to_numpy(dtype=np.float64) + 0.0
    else:
        plain = values.astype(str).to_numpy(dtype=object)
    hashes = np.array(hash_array(plain), dtype=np.uint64)
    hashes[missing] = 0
    return hashes

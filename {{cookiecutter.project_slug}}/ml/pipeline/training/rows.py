"""The rows that an estimator is fitted on: encoded, with their targets and hashes."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from ml.atomic import errors_named
from ml.dataset.frame import encode_frame, target_codes, typed
from ml.dataset.row_groups import row_groups
from ml.dataset.row_hash import row_hashes
from ml.encode import Encoder
from ml.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.encode import Matrix

MAPPED_BYTES = 256 << 20


@dataclass(frozen=True)
class Rows:
    """Encoded rows (n, k), in order of time where there is one, their targets and hashes (n,)."""

    x: Matrix
    y: NDArray[Any]
    hashes: NDArray[np.uint64]

    def newest(self, n: int) -> Rows:
        """The last n rows."""
        return Rows(self.x[-n:], self.y[-n:], self.hashes[-n:])

    def followed_by(self, later: Rows) -> Rows:
        """These rows, then later ones."""
        pairs = ((self.x, later.x), (self.y, later.y), (self.hashes, later.hashes))
        return Rows(*(np.concatenate(pair) for pair in pairs))


def read_rows(path: Path, contract: Contract) -> Rows:
    """The encoded rows of a table, in order of time where there is one.

    Some are read and encoded at a time; a large matrix lies in a file that is mapped into memory.
    """
    encoder, file = Encoder(contract), pq.ParquetFile(path)
    if not encoder.features:
        raise _no_feature()
    n = file.metadata.num_rows
    kind = np.int64 if contract.is_classification else np.float64
    rows = Rows(
        _matrix(n, len(encoder.features), path.parent), np.empty(n, kind), np.empty(n, np.uint64)
    )
    places = _places(file, contract)
    for group in row_groups(file):
        frame = typed(group.to_pandas(), contract)
        here, places = places[: len(frame)], places[len(frame) :]
        rows.x[here] = encode_frame(frame, encoder)
        rows.y[here] = target_codes(frame, contract)
        rows.hashes[here] = row_hashes(frame, contract)
    return rows


def _matrix(n: int, k: int, folder: Path) -> Matrix:
    """Room for a matrix: in memory, or beyond `MAPPED_BYTES` in a file without a name."""
    if 4 * n * k <= MAPPED_BYTES:
        return np.empty((n, k), dtype=np.float32)
    # lives as long as it is mapped
    with errors_named(folder), tempfile.TemporaryFile(dir=folder) as file:
        _reserve(file.fileno(), 4 * n * k)
        return np.memmap(file, np.float32, mode="w+", shape=(n, k))


def _reserve(file: int, size: int) -> None:
    """Take a file's room on disk now, so that a full disk is an error.

    Without it a mapped page that finds no room when it is written ends the process (SIGBUS).
    """
    if sys.platform != "darwin":  # macOS has no posix_fallocate
        os.posix_fallocate(file, 0, size)


def _places(file: pq.ParquetFile, contract: Contract) -> NDArray[np.int64]:
    """Where each row stands in order of time, those without a moment first, shape (n,)."""
    n = file.metadata.num_rows
    places = np.arange(n)
    if contract.time:
        column = file.read(columns=[contract.time]).to_pandas()
        moments = typed(column, contract)[contract.time]
        order = moments.sort_values(kind="stable", na_position="first").index.to_numpy()
        places[order] = np.arange(n)
    return places


def _no_feature() -> UserError:
    return UserError(
        "contract.yaml: none of its columns is a feature",
        "give a text its `buckets` or a datetime its `parts`, or adopt a table with more columns",
    )

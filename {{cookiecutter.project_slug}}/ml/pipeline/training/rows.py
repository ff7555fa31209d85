"""The rows that an estimator is fitted on: encoded, with their targets and hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.dataset.frame import encode_frame, read_table, target_codes
from ml.dataset.row_hash import row_hashes
from ml.encode import Encoder
from ml.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.encode import Matrix


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
    """The encoded rows of a table, in order of time where there is one."""
    frame = read_table(path, contract)
    if contract.time:
        frame = frame.sort_values(contract.time, kind="stable", na_position="first")
    encoder = Encoder(contract)
    if not encoder.features:
        raise _no_feature()
    return Rows(
        encode_frame(frame, encoder), target_codes(frame, contract), row_hashes(frame, contract)
    )


def _no_feature() -> UserError:
    return UserError(
        "contract.yaml: none of its columns is a feature",
        "give a text its `buckets` or a datetime its `parts`, or adopt a table with more columns",
    )

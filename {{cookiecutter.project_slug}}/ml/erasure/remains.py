"""What remains of rows that were removed, and how it is removed where it can be.

Reads: data/raw, serving/releases (which versions learned from the rows, or hold them as held-out
rows). Writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.bundle import RELEASES
from ml.contract import JOURNALED, Contract
from ml.erasure.raw_parts import other_parts
from ml.errors import listing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

ALWAYS = (
    "git and DVC: older versions of data/raw and of what was made from it, in .dvc/cache and the "
    "remote. Once a version without the rows is champion: `dvc gc --workspace --cloud` (it removes "
    "every version but the present one, so `ml trace --rebuild` of older versions ends)",
    "data/ until `make flow` has run again, models/ and bundle/ likewise",
    "MLflow: the artifacts of earlier runs and versions (`mlflow gc` after `mlflow runs delete`)",
    "Evidently's pages of the windows that the rows were in, which show values: remove their "
    "folders under reports/monitoring/",
    "aggregates without ids: verdict.json, the other pages, metrics/, the ledger's counts",
    "prediction ids in logs and traces, where serve.log_answers or OpenTelemetry are on",
    "what was written elsewhere: files of `ml journal export`, backups, the table they came from",
)
POSTGRESQL = (
    "PostgreSQL: pages until `VACUUM FULL predictions, labels`, its write-ahead log and replicas"
)
LOG = "sqlite's log: somebody was reading the journal. Run the command again"


def remains(
    contract: Contract, predictions: Sequence[str], *, is_file: bool, log: bool
) -> list[str]:
    """What remains, a line for each place.

    Args:
        contract: names the columns.
        predictions: ids of the rows that were removed.
        is_file: whether the journal is sqlite's.
        log: whether its log was emptied.
    """
    own = [path.name for path in other_parts()]
    lines = (
        [
            f"your own table, not touched: data/raw has {listing(own)}; remove the rows there, "
            "then `make adopt`"
        ]
        if own
        else []
    )
    lines += _versions(contract, predictions)
    lines += ALWAYS
    if not is_file:
        lines.append(POSTGRESQL)
    return lines if log else [*lines, LOG]


def _versions(contract: Contract, predictions: Sequence[str]) -> list[str]:
    """The released versions that learned from rows, or hold them, as far as they lie here."""
    hashes = _hashes(contract, predictions)
    lines = []
    for folder in sorted(path for path in RELEASES.glob("*") if path.is_dir()):
        learned, held = _learned(folder, hashes), _held(folder, contract, predictions)
        if learned:
            lines.append(
                f"version {folder.name} learned from {learned} of the rows; "
                "trained_rows.npy keeps their hashes"
            )
        if held:
            lines.append(
                f"version {folder.name} has {held} of the rows in reference.parquet, and "
                "may have their numbers among its rows to explain with"
            )
    return lines


def _hashes(contract: Contract, predictions: Sequence[str]) -> NDArray[np.uint64]:
    import pandas as pd

    from ml.dataset.row_hash import row_hashes

    return row_hashes(pd.DataFrame({contract.added(JOURNALED): list(predictions)}), contract)


def _learned(folder: Path, hashes: NDArray[np.uint64]) -> int:
    path = folder / "trained_rows.npy"
    if not path.is_file():
        return 0
    return int(np.isin(hashes, np.load(path, allow_pickle=False)).sum())


def _held(folder: Path, contract: Contract, predictions: Sequence[str]) -> int:
    import pyarrow.parquet as pq

    path, name = folder / "reference.parquet", contract.added(JOURNALED)
    if not path.is_file() or name not in pq.read_schema(path).names:
        return 0
    there = pq.read_table(path, columns=[name]).column(name).to_pylist()
    return len(set(there) & set(predictions))

"""The model that is watched: its contract, held-out rows with their answers, importances.

Reads: serving/champion/ (contract.json, model.json, lineage.json, reference.parquet).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.bundle import ABOUT_FILE, CHAMPION, CONTRACT_FILE, LINEAGE_FILE
from ml.contract import Contract, load_contract
from ml.dataset.frame import answer_matrix, read_table, target_codes
from ml.errors import UserError
from ml.monitoring.inputs.columns import columns_of, profiles, repeated_share, row_marks
from ml.seal.manifest import check_beside
from ml.statistics.metric_loss import Reference

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.statistics.profile import Profile


REFERENCE_FILE = "reference.parquet"


@dataclass(frozen=True, eq=False)  # compared by identity: what is fitted on its reference is kept
class Champion:
    """One released version; `outcome` (n,) and `answer` (n, k) are of the reference rows."""

    name: str
    version: str
    released_at: str
    contract: Contract
    metric: str
    importance: dict[str, float]
    reference: pd.DataFrame
    outcome: NDArray[np.float64]
    answer: NDArray[np.float64]
    profiles: dict[str, Profile]
    repeated: float  # share of the reference's rows that an earlier one equals

    @cached_property
    def scored(self) -> Reference:
        """Its answers on the reference, which a loss is measured against."""
        task, in_order = self.contract.target.task, self.contract.time is not None
        return Reference(self.metric, task, self.outcome, self.answer, in_order)


def load_champion(folder: Path = CHAMPION) -> Champion:
    """Read the released version that `folder` points at.

    Raises:
        UserError: nothing was released yet, the release has no reference rows, or it has to be
            signed and is not as it was signed.
    """
    _check_files(folder)
    check_beside(folder)
    contract = load_contract(folder / CONTRACT_FILE)
    reference = read_table(folder / REFERENCE_FILE, contract)
    about, lineage = folder / ABOUT_FILE, folder / LINEAGE_FILE
    return champion_of(_json(about), _json(lineage), contract, reference)


def _check_files(folder: Path) -> None:
    for name in (CONTRACT_FILE, ABOUT_FILE, LINEAGE_FILE, REFERENCE_FILE):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder / name}: no such file, so there is nothing to compare with",
                "make release",
            )


def champion_of(
    about: dict[str, Any], lineage: dict[str, Any], contract: Contract, rows: pd.DataFrame
) -> Champion:
    """A champion from what its release says and its reference rows, put in order of time."""
    reference = _in_order_of_time(rows, contract)
    answer = answer_matrix(reference, contract)
    return Champion(
        name=str(lineage["name"]),
        version=str(lineage["version"]),
        released_at=str(lineage["released_at"]),
        contract=contract,
        metric=str(about["metric"]),
        importance={str(k): float(v) for k, v in about.get("importance", {}).items()},
        reference=reference,
        outcome=np.asarray(target_codes(reference, contract), dtype=np.float64),
        answer=answer,
        profiles=profiles(reference, answer, contract),
        repeated=repeated_share(row_marks(columns_of(reference, contract))),
    )


def _in_order_of_time(rows: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    if contract.time is None:
        return rows
    return rows.sort_values(contract.time, kind="stable", ignore_index=True)


def _json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values

"""Every row against the contract; the first broken column stops the pipeline.

What is not plainly sound is checked by pandera, which names column, reason and rows.
Reads: contract.yaml, params.yaml (validate), data/ingested.parquet.
Writes: reports/validation.json.
Run: `python -m ml.pipeline.validate` (dvc stage `validate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from ml.atomic import write_json
from ml.contract import load_contract
from ml.dataset.checks import findings, refuse
from ml.dataset.row_groups import row_groups
from ml.dataset.soundness import is_sound
from ml.params import load_params
from ml.pipeline.artifacts import INGESTED, VALIDATION_REPORT
from ml.pipeline.stage import run_stage

if TYPE_CHECKING:
    from ml.contract import Contract
    from ml.params import Validate

TABLE = "data/raw"


def main() -> None:
    """Check the ingested table and write the report, also when it breaks."""
    contract, params = load_contract(), load_params().validate_
    file = pq.ParquetFile(INGESTED)
    rows = file.metadata.num_rows
    sound = is_sound(row_groups(file), contract, params)
    broken = [] if sound else _findings(file, contract, params)
    write_json(VALIDATION_REPORT, {"rows": rows, "findings": broken})
    refuse(broken, rows, TABLE, str(VALIDATION_REPORT))


def _findings(file: pq.ParquetFile, contract: Contract, params: Validate) -> list[dict[str, Any]]:
    """What breaks the contract, by pandera; it needs the whole table in memory."""
    from ml.dataset.frame import typed

    return findings(typed(file.read().to_pandas(), contract), contract, params)


if __name__ == "__main__":
    run_stage(main)

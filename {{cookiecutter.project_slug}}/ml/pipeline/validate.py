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
from ml.dataset.soundness import is_sound
from ml.params import load_params
from ml.pipeline.artifacts import INGESTED, VALIDATION_REPORT
from ml.pipeline.stage import run_stage

if TYPE_CHECKING:
    import pyarrow as pa

    from ml.contract import Contract
    from ml.params import Validate

TABLE = "data/raw"


def main() -> None:
    """Check the ingested table and write the report, also when it breaks."""
    contract, params = load_contract(), load_params().validate_
    table = pq.ParquetFile(INGESTED).read()  # `read_table` imports pandas
    broken = [] if is_sound(table, contract, params) else _findings(table, contract, params)
    write_json(VALIDATION_REPORT, {"rows": table.num_rows, "findings": broken})
    refuse(broken, table.num_rows, TABLE, str(VALIDATION_REPORT))


def _findings(table: pa.Table, contract: Contract, params: Validate) -> list[dict[str, Any]]:
    from ml.dataset.frame import typed

    return findings(typed(table.to_pandas(), contract), contract, params)


if __name__ == "__main__":
    run_stage(main)

"""Every row against the contract (pandera); the first broken column stops the pipeline.

Reads: contract.yaml, params.yaml (validate), data/ingested.parquet.
Writes: reports/validation.json.
Run: `python -m ml.pipeline.validate` (dvc stage `validate`).
"""

from __future__ import annotations

from ml.atomic import write_json
from ml.contract import load_contract
from ml.dataset.checks import findings, refuse
from ml.dataset.frame import read_table
from ml.params import load_params
from ml.pipeline.artifacts import INGESTED, VALIDATION_REPORT
from ml.pipeline.stage import run_stage

TABLE = "data/raw"


def main() -> None:
    """Check the ingested table and write the report, also when it breaks."""
    contract = load_contract()
    frame = read_table(INGESTED, contract)
    broken = findings(frame, contract, load_params().validate_)
    write_json(VALIDATION_REPORT, {"rows": len(frame), "findings": broken})
    refuse(broken, len(frame), TABLE, str(VALIDATION_REPORT))


if __name__ == "__main__":
    run_stage(main)

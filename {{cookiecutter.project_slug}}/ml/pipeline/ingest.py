"""Raw parts → one typed table, read as the contract says; nothing is guessed or repaired.

Reads: contract.yaml, data/raw/* (parts in name order: .csv, .csv.gz, .parquet).
Writes: data/ingested.parquet (see `ml.dataset.frame` for its types), reports/ingest.json (what was
read and set aside).
Run: `python -m ml.pipeline.ingest` (dvc stage `ingest`).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ml.atomic import write_json
from ml.contract import CONTRACT, Contract, load_contract
from ml.dataset.reader import raw_parts
from ml.dataset.typed import Part, read_typed
from ml.pipeline.artifacts import INGEST_REPORT, INGESTED
from ml.pipeline.stage import run_stage
from ml.progress import reading


def summary(parts: list[Part], table: pa.Table, contract: Contract) -> dict[str, Any]:
    """Rows of each part, rows that were set aside, missing values of each column."""
    return {
        "parts": [_part_summary(p) for p in parts],
        "rows": table.num_rows,
        "without_target": sum(p.without_target for p in parts),
        "of_set_aside_classes": sum(p.of_rare_class for p in parts),
        "missing": {name: table[name].null_count for name in contract.names},
    }


def _part_summary(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "rows": part.rows_read,
        "without_target": part.without_target,
        "of_set_aside_classes": part.of_rare_class,
    }


def main() -> None:
    """Read every part and write the typed table."""
    contract = load_contract(CONTRACT)
    with reading() as watch:
        parts = [read_typed(path, contract, watch) for path in raw_parts()]
    table = pa.concat_tables([part.table for part in parts], promote_options="default")
    INGESTED.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, INGESTED)
    report = summary(parts, table, contract)
    write_json(INGEST_REPORT, report)
    print(_format_summary(report))


def _format_summary(report: dict[str, Any]) -> str:
    return (
        f"ingest: {report['rows']} rows from {len(report['parts'])} part(s), "
        f"{report['without_target']} without a target"
    )


if __name__ == "__main__":
    run_stage(main)

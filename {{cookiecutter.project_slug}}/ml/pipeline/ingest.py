"""Raw parts → one typed table, read as the contract says; nothing is guessed or repaired.

Reads: contract.yaml, data/raw/* (parts in name order: .csv, .csv.gz, .parquet).
Writes: data/ingested.parquet (see `ml.dataset.frame` for its types), reports/ingest.json (what was
read and set aside).
Run: `python -m ml.pipeline.ingest` (dvc stage `ingest`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ml.atomic import staged, write_json
from ml.contract import CONTRACT, Contract, load_contract
from ml.dataset.csv_file import Watch
from ml.dataset.reader import names_in, raw_parts
from ml.dataset.typed import Part, typed_batches, typed_schema, with_schema
from ml.pipeline.artifacts import INGEST_REPORT, INGESTED
from ml.pipeline.stage import run_stage
from ml.progress import reading


class Counts:
    """What was read: rows of each part, rows that were set aside, missing values of each column."""

    def __init__(self, names: list[str]) -> None:
        self.rows = 0
        self.parts: list[dict[str, Any]] = []
        self.missing = dict.fromkeys(names, 0)

    def begin(self, name: str) -> None:
        """The next part."""
        counts = {"rows": 0, "without_target": 0, "of_set_aside_classes": 0}
        self.parts.append({"name": name, **counts})

    def add(self, read: Part) -> None:
        """Some rows of this part."""
        part = self.parts[-1]
        part["rows"] += read.rows_read
        part["without_target"] += read.without_target
        part["of_set_aside_classes"] += read.of_rare_class
        self.rows += read.table.num_rows
        for name in self.missing:
            self.missing[name] += read.table[name].null_count

    def report(self) -> dict[str, Any]:
        """All of it, as reports/ingest.json holds it."""
        summed = {
            name: sum(part[name] for part in self.parts)
            for name in ("without_target", "of_set_aside_classes")
        }
        return {"parts": self.parts, "rows": self.rows, **summed, "missing": self.missing}


def write_typed(parts: list[Path], contract: Contract, watch: Watch) -> dict[str, Any]:
    """Write the parts' rows into one table, some at a time; what was read."""
    counts = Counts(contract.names)
    names = {name for path in parts for name in names_in(path, contract.source)}
    schema = typed_schema(names, contract)
    with staged(INGESTED) as unfinished, pq.ParquetWriter(unfinished, schema) as writer:
        for path in parts:
            counts.begin(path.name)
            for read in typed_batches(path, contract, watch):
                counts.add(read)
                writer.write_table(with_schema(read.table, schema))
    return counts.report()


def main() -> None:
    """Read every part and write the typed table."""
    contract = load_contract(CONTRACT)
    INGESTED.parent.mkdir(parents=True, exist_ok=True)
    with reading() as watch:
        report = write_typed(raw_parts(), contract, watch)
    write_json(INGEST_REPORT, report)
    print(_format_summary(report))


def _format_summary(report: dict[str, Any]) -> str:
    return (
        f"ingest: {report['rows']} rows from {len(report['parts'])} part(s), "
        f"{report['without_target']} without a target"
    )


if __name__ == "__main__":
    run_stage(main)

"""Rows, span and missing values of the data that a model was made of.

Reads: reports/ingest.json, data/train.parquet (the column of times alone).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ml.pipeline.artifacts import INGEST_REPORT, TRAIN

if TYPE_CHECKING:
    import pandas as pd

    from ml.contract import Contract


def data_facts(held_out: pd.DataFrame, contract: Contract) -> dict[str, Any]:
    """What the card says of the data.

    `missing` holds the share of empty values of each column that has any; `span` and
    `held_out_span` the first and the last moment, where the contract names a time.
    """
    import pyarrow.parquet as pq

    report = json.loads(INGEST_REPORT.read_text(encoding="utf-8"))
    rows = report["rows"]
    facts = {
        "rows": rows,
        "training_rows": pq.read_metadata(TRAIN).num_rows,
        "held_out_rows": len(held_out),
        "without_outcome": report["without_target"],
        "files": len(report["parts"]),
        "columns": len(contract.columns),
        "missing": {name: n / rows for name, n in report["missing"].items() if n},
    }
    if contract.time is None:
        return facts
    times = held_out[contract.time]
    trained = pq.read_table(TRAIN, columns=[contract.time]).column(0).to_pandas()
    spans = {"training_span": trained, "held_out_span": times}
    return facts | {name: _span(of) for name, of in spans.items()}


def _span(times: pd.Series) -> list[str]:
    return [moment.isoformat(sep=" ", timespec="minutes") for moment in (times.min(), times.max())]

"""Values of audit columns that requests did not have, by the rows' ids.

Reads: row ids of the journal's window, data/ingested.parquet (id and audit columns alone).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sql

from ml.journal.reading import batches
from ml.journal.schema import PREDICTIONS
from ml.pipeline.artifacts import INGESTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.contract import Contract
    from ml.monitoring.inputs.window import Window


def sample_with_audited(
    window: Window, engine: sql.Engine, contract: Contract, columns: Sequence[str]
) -> pd.DataFrame:
    """The window's sample; where an audit column of `columns` is empty, the data's value of the id.

    A value of the request holds. Without an id in the contract, without the data on this machine,
    or for an id that the data does not have, the value stays empty.
    """
    wanted = [name for name in contract.audited if name in columns]
    sample = window.sample
    if not wanted or contract.id is None or not INGESTED.is_file() or not len(sample):
        return sample
    if sample[wanted].notna().to_numpy().all():
        return sample
    ids = row_ids(engine, window)
    known = _known(contract, wanted)
    of_rows = known.reindex(ids)
    filled = {
        name: sample[name].where(sample[name].notna(), of_rows[name].array) for name in wanted
    }
    return sample.assign(**filled)


def row_ids(engine: sql.Engine, window: Window) -> list[str | None]:
    """The own ids of the sample's rows; None where a row was sent without one, or is gone."""
    column = PREDICTIONS.c
    query = sql.select(column.prediction_id, column.row_id, column.rows)
    ids: dict[str, list[str | None]] = {}
    with engine.connect() as connection:
        for some in batches(sorted({entry for entry, _ in window.asked})):
            entries = connection.execute(query.where(column.prediction_id.in_(some)))
            ids.update((entry_id, _ids_of(row_id, rows)) for entry_id, row_id, rows in entries)
    return [ids[entry][place] if entry in ids else None for entry, place in window.asked]


def _ids_of(row_id: str | None, rows: int) -> list[str | None]:
    """Of an entry: one id, or a JSON array of them."""
    if row_id is None:
        return [None] * rows
    if rows == 1:
        return [row_id]
    return [None if each is None else str(each) for each in json.loads(row_id)]


def _known(contract: Contract, wanted: list[str]) -> pd.DataFrame:
    """The audit columns by id: the latest row of each."""
    assert contract.id is not None  # noqa: S101
    table: Any = pd.read_parquet(INGESTED, columns=[contract.id, *wanted])
    table[contract.id] = table[contract.id].astype(str)
    by_id: pd.DataFrame = table.drop_duplicates(contract.id, keep="last").set_index(contract.id)
    return by_id

"""Values of audit columns that requests did not have, by the rows' ids.

Reads: row ids of the journal's window, data/ingested.parquet (id and audit columns alone).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sql

from ml.journal.bulk.scan import inside
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
    of_rows = known.reindex([ids[place] for place in window.places])
    filled = {
        name: sample[name].where(sample[name].notna(), of_rows[name].array) for name in wanted
    }
    return sample.assign(**filled)


def row_ids(engine: sql.Engine, window: Window) -> list[str | None]:
    """The rows' own ids, in the window's order; None of a row that was sent without one."""
    column = PREDICTIONS.c
    query = sql.select(column.row_id, column.rows).where(*inside(window.span))
    with engine.connect() as connection:
        entries = connection.execute(query.order_by(column.prediction_id)).all()
    return [row_id for entry in entries for row_id in _ids_of(*entry)]


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

"""Whether the rows can be split as the contract says: `make flow` would refuse what cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.dataset.frame import typed
from ml.dataset.held_out import held_out
from ml.dataset.typed import type_texts
from ml.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from ml.contract import Contract
    from ml.params import Split

WHOLE_CELLS = 200_000  # of a table that is split as `make flow` will; of a larger one a sample is
SAMPLE = 20_000
MIN_CLASS_ROWS = 100  # of the sample: a class with fewer says nothing about the whole table


def check_split(path: str, texts: pa.Table, contract: Contract, params: Split) -> None:
    """Refuse a table of which no rows can be held out.

    Args:
        path: of the file, for messages.
        texts: its columns (see `ml.dataset.reader`).
        contract: what they are.
        params: how the rows will be split.

    Raises:
        UserError: one moment or one class only, among the held-out rows or those to train on.
    """
    try:
        if texts.num_rows * len(contract.columns) <= WHOLE_CELLS:
            held_out(_frame(path, texts, contract), contract, params, path)
        elif contract.time or contract.id:  # else rows are drawn by all of their values
            _check_sample(path, texts, contract, params)
    except UserError as error:
        raise UserError(error.what, _mend(contract)) from None


def _mend(contract: Contract) -> str:
    if contract.time:
        return "leave TIME out, so that rows are drawn by chance, or give more rows"
    if contract.id:
        return f'give another ID than "{contract.id}", whose rows stay on one side, or more rows'
    return "give more rows, in which the columns differ"


def _frame(path: str, texts: pa.Table, contract: Contract) -> pd.DataFrame:
    return typed(type_texts(path, texts, contract).table.to_pandas(), contract)


def _check_sample(path: str, texts: pa.Table, contract: Contract, params: Split) -> None:
    """The same for rows at equal distances, with the columns that decide and no rare classes."""
    chosen = np.linspace(0, texts.num_rows - 1, min(texts.num_rows, SAMPLE)).astype(np.int64)
    deciding = contract.get(contract.time) if contract.time else None
    columns = (deciding or contract.columns[0],)
    reduced = contract.model_copy(update={"columns": columns})
    frame = _frame(path, texts.take(chosen), reduced)
    if contract.is_classification:
        frame, reduced = _of_common_classes(frame, reduced)
    if len(reduced.target.classes) != 1:
        held_out(frame, reduced, params, path)


def _of_common_classes(frame: pd.DataFrame, contract: Contract) -> tuple[pd.DataFrame, Contract]:
    """The rows of the classes that have enough, and a contract that has these alone."""
    labels, target = frame[contract.target.name], contract.target
    common = tuple(name for name in target.classes if (labels == name).sum() >= MIN_CLASS_ROWS)
    reduced = {"target": target.model_copy(update={"classes": common})}
    return frame[labels.isin(common)], contract.model_copy(update=reduced)

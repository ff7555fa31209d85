"""The ingested rows in two: to train on, and held out (see `ml.dataset.held_out`).

Reads: contract.yaml, params.yaml (split), recipe.yaml, data/ingested.parquet. Writes:
data/train.parquet, data/test.parquet.
Run: `python -m ml.pipeline.split` (dvc stage `split`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.atomic import staged
from ml.contract import Contract, load_contract
from ml.dataset.frame import typed
from ml.dataset.held_out import held_out_by, is_drawn, keys_of
from ml.dataset.recipe import load_recipe
from ml.dataset.row_groups import row_groups
from ml.params import load_params
from ml.pipeline.artifacts import INGESTED, TEST, TRAIN
from ml.pipeline.stage import run_stage


def main() -> None:
    """Write the two sides, each in the order of the ingested table."""
    contract, params = load_contract(), load_params().split
    newest = load_recipe().held_out_rows
    file = pq.ParquetFile(INGESTED)
    keys = _keys(file, contract, params.seed if is_drawn(contract, newest) else None)
    mask = held_out_by(keys, contract, params, newest=newest)
    with _writer(TRAIN, file) as train, _writer(TEST, file) as test:
        first = 0
        for rows in row_groups(file):
            later = pa.array(mask[first : first + rows.num_rows])
            test.write_table(rows.filter(later))
            train.write_table(rows.filter(pc.invert(later)))
            first += rows.num_rows


def _keys(file: pq.ParquetFile, contract: Contract, seed: int | None) -> pd.DataFrame:
    """What decides on the sides, of all rows; without a draw two columns are read, no more."""
    names = [contract.time, contract.target.name]
    columns = [name for name in names if name] if seed is None else None
    parts = (typed(rows.to_pandas(), contract) for rows in row_groups(file, columns))
    return pd.concat([keys_of(part, contract, seed) for part in parts], ignore_index=True)


@contextmanager
def _writer(path: Path, like: pq.ParquetFile) -> Iterator[pq.ParquetWriter]:
    with staged(path) as draft, pq.ParquetWriter(draft, like.schema_arrow) as writer:
        yield writer


if __name__ == "__main__":
    run_stage(main)

"""The ingested rows in two: to train on, and held out (see `ml.dataset.held_out`).

Reads: contract.yaml, params.yaml (split), recipe.yaml, data/ingested.parquet. Writes:
data/train.parquet, data/test.parquet.
Run: `python -m ml.pipeline.split` (dvc stage `split`).
"""

from __future__ import annotations

from ml.contract import load_contract
from ml.dataset.frame import read_table
from ml.dataset.held_out import held_out
from ml.dataset.recipe import load_recipe
from ml.params import load_params
from ml.pipeline.artifacts import INGESTED, TEST, TRAIN
from ml.pipeline.stage import run_stage


def main() -> None:
    """Write the two sides, each in the order of the ingested table."""
    contract = load_contract()
    frame = read_table(INGESTED, contract)
    mask = held_out(frame, contract, load_params().split, newest=load_recipe().held_out_rows)
    frame[~mask].to_parquet(TRAIN, index=False)
    frame[mask].to_parquet(TEST, index=False)


if __name__ == "__main__":
    run_stage(main)

"""LightGBM beside scikit-learn's boosting, on the rows that a project holds out.

Fits both with the settings of params.yaml on the training rows, and prints each one's score, the
difference with its 95 % interval (a paired bootstrap of the held-out rows), and how long each fit
took.

Reads: contract.yaml, params.yaml, data/train.parquet, data/test.parquet (`dvc repro`). Writes:
nothing. Run: `python -m benchmarks.boosters [--json] [--on-workers]`; with the last one LightGBM's
rows are shared by the workers of DASK_SCHEDULER_ADDRESS (docs/scale.md).
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from ml.contract import Contract, load_contract
from ml.metrics import answers, gate_metric, measure, resample
from ml.params import Params, load_params
from ml.pipeline.artifacts import TEST, TRAIN
from ml.pipeline.train import few_threads, fit
from ml.pipeline.training.rows import Rows, read_rows

KINDS = ("boosting", "lightgbm")
DRAWS = 400


def fitted(
    kind: str, rows: Rows, contract: Contract, params: Params, executor: str = "local"
) -> tuple[Any, float]:
    """A model of the kind, and the seconds of its fit."""
    began = time.perf_counter()
    settings = params.train.model_copy(update={"model": kind, "executor": executor})
    with few_threads(rows.x, settings):
        model = fit(rows, contract, settings).measured
    return model, time.perf_counter() - began


def compare(
    rows: Rows, held_out: Rows, contract: Contract, params: Params, executor: str
) -> dict[str, Any]:
    """Scores, the difference (LightGBM's minus boosting's) and its interval, seconds."""
    metric, y = gate_metric(params.evaluate.metric, contract), held_out.y
    fitted("linear", rows, contract, params)  # what both import is imported
    where = dict(zip(KINDS, ("local", executor), strict=True))
    models = {kind: fitted(kind, rows, contract, params, where[kind]) for kind in KINDS}
    ours, theirs = (answers(models[kind][0], held_out.x, contract) for kind in KINDS)

    def gain(drawn: Any) -> float:
        return measure(metric, y[drawn], theirs[drawn]) - measure(metric, y[drawn], ours[drawn])

    return {
        "metric": metric,
        "scores": {"boosting": measure(metric, y, ours), "lightgbm": measure(metric, y, theirs)},
        "gain": gain(np.arange(len(y))),
        "interval": [float(q) for q in np.quantile(resample(len(y), gain, DRAWS), (0.025, 0.975))],
        "seconds": {kind: models[kind][1] for kind in KINDS},
    }


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description="LightGBM beside scikit-learn's boosting.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--on-workers", action="store_true")
    words = parser.parse_args()
    contract, params = load_contract(), load_params()
    rows, held_out = read_rows(TRAIN, contract), read_rows(TEST, contract)
    executor = "dask" if words.on_workers else "local"
    found = compare(rows, held_out, contract, params, executor)
    if words.json:
        print(json.dumps(found))
        return
    low, high = found["interval"]
    scores, seconds = found["scores"], found["seconds"]
    print(
        f"{found['metric']}: boosting {scores['boosting']:.4f}, lightgbm {scores['lightgbm']:.4f}, "
        f"gain {found['gain']:+.4f} ({low:+.4f} to {high:+.4f}); "
        f"seconds {seconds['boosting']:.2f} and {seconds['lightgbm']:.2f}"
    )


if __name__ == "__main__":
    main()

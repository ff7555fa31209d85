"""LightGBM on a seeded table, fitted on workers: `python -m tests.scale.trained`."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from ml.bundle import onnx_answers
from ml.contract import Contract
from ml.errors import UserError
from ml.metrics import answers
from ml.params import load_params
from ml.pipeline.train import fit
from ml.pipeline.training.onnx_convert import to_onnx
from ml.scale import shares
from tests.conftest import HERE, unhashed

NUMBERS, ROWS, HELD_OUT = 4, 12_000, 6_000
LEVELS = tuple("abcdefghij")


def contract() -> Contract:
    """Four numbers with gaps and a category."""
    names: list[Any] = [
        {"kind": "numeric", "name": f"x{i}", "missing": True} for i in range(NUMBERS)
    ]
    names.append({"kind": "categorical", "name": "level", "levels": LEVELS})
    target = {"name": "y", "task": "binary", "classes": ["n", "y"]}
    return Contract.model_validate({"target": target, "columns": names})


def rows() -> tuple[Any, Any]:
    """Encoded rows and their classes, drawn with a seed."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS + HELD_OUT, NUMBERS + 1)).astype(np.float32)
    x[:, -1] = rng.integers(0, len(LEVELS), len(x))
    y = (x[:, 0] + x[:, 1] * x[:, 2] + x[:, -1] % 3 + rng.normal(size=len(x)) > 1).astype(int)
    x[:, :NUMBERS][rng.random((len(x), NUMBERS)) < 0.05] = np.nan
    return x, y


def fitted(executor: str, trees: int) -> Any:
    """The model, in a Pipeline."""
    asked, (x, y) = contract(), rows()
    train = load_params(HERE / "params.yaml").train
    lightgbm = train.lightgbm.model_copy(update={"n_estimators": trees})
    changed = {"model": "lightgbm", "executor": executor, "lightgbm": lightgbm}
    return fit(unhashed(x[:ROWS], y[:ROWS]), asked, train.model_copy(update=changed)).model


def answered(model: Any) -> tuple[list[float], float]:
    """The probabilities of the held-out rows, and how far ONNX is from them."""
    asked, held_out = contract(), rows()[0][ROWS:]
    expected = answers(model, held_out, asked)
    gap = np.abs(onnx_answers(to_onnx(model, asked), held_out) - expected).max()
    return expected[:, 1].tolist(), float(gap)


def report(trees: int) -> dict[str, Any]:
    """What a fit on the workers came to."""
    try:
        model = fitted("dask", trees)
    except UserError as error:
        return {"gone": error.what}
    probabilities, gap = answered(model)
    return {"probabilities": probabilities, "gap": gap, "trees": model[-1].booster_.num_trees()}


def main() -> None:
    """Fit for each line of stdin: how many trees, and how long a worker that is away is awaited."""
    for line in sys.stdin:
        trees, seconds = line.split()
        shares.LONELY_SECONDS = float(seconds)  # type: ignore[attr-defined]
        print(json.dumps(report(int(trees))), flush=True)


if __name__ == "__main__":
    main()

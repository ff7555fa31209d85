"""A small search: `python -m tests.scale.searched EXECUTOR FOLDER` prints what it came to.

FOLDER gets a file as each score is made, wherever that is.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from ml.contract import Contract
from ml.metrics import measure
from ml.params import load_params
from ml.pipeline.training import search as room
from tests.conftest import HERE

COLUMNS = 4


def found_by(executor: str) -> list[Any]:
    """Every trial, and a digest of the best model's answers."""
    names = [{"kind": "numeric", "name": f"x{i}"} for i in range(COLUMNS)]
    target = {"name": "y", "task": "binary", "classes": ["n", "y"]}
    contract = Contract.model_validate({"target": target, "columns": names})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, COLUMNS)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x)) > 0).astype(int)
    train = load_params(HERE / "params.yaml").train
    settings = train.search.model_copy(update={"trials": 5, "executor": executor})
    boosting = train.boosting.model_copy(update={"max_iter": 5})
    changed = {"model": "boosting", "search": settings, "boosting": boosting}
    told: SimpleQueue[Any] = SimpleQueue()  # which no worker could be sent
    model, found = room.search(
        x, y, contract, train.model_copy(update=changed), partial(tell, told)
    )
    for number, trial in enumerate(found.trials):
        assert told.get() == (found.digest, number, trial)
    return [found.trials, hashlib.sha256(model.predict_proba(x).tobytes()).hexdigest()]


def tell(told: SimpleQueue[Any], *trial: Any) -> None:
    told.put(trial)


def signed(folder: str, *words: Any) -> float:
    """A score, and a file as a sign of it."""
    Path(folder, str(time.monotonic_ns())).touch()
    return measure(*words)


if __name__ == "__main__":
    room.measure = partial(signed, sys.argv[2])  # type: ignore[attr-defined]
    print(json.dumps(found_by(sys.argv[1])))

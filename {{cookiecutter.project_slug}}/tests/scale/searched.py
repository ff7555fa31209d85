"""A small search: `python -m tests.scale.searched EXECUTOR FOLDER` prints what it came to.

FOLDER gets a file for each score as it is made, wherever that is. The last score of the first round
waits until a trial was told.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from functools import partial
from operator import itemgetter
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.contract import Contract
from ml.metrics import measure
from ml.params import load_params
from ml.pipeline.training import search as room
from tests.conftest import HERE

COLUMNS = 4
TRIALS = 5
SCORES = TRIALS * room.FOLDS  # of the first round
TOLD = "told"


def found_by(executor: str, folder: Path) -> list[Any]:
    """Every trial, and a digest of the best model's answers."""
    names = [{"kind": "numeric", "name": f"x{i}"} for i in range(COLUMNS)]
    target = {"name": "y", "task": "binary", "classes": ["n", "y"]}
    contract = Contract.model_validate({"target": target, "columns": names})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, COLUMNS)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x)) > 0).astype(int)
    train = load_params(HERE / "params.yaml").train
    settings = train.search.model_copy(update={"trials": TRIALS, "executor": executor})
    boosting = train.boosting.model_copy(update={"max_iter": 5})
    changed = {"model": "boosting", "search": settings, "boosting": boosting}
    told: SimpleQueue[Any] = SimpleQueue()  # which no worker could be sent
    model, found = room.search(
        x, y, contract, train.model_copy(update=changed), partial(tell, told, folder)
    )
    in_order = sorted((told.get_nowait() for _ in found.trials), key=itemgetter(1))
    assert in_order == [(found.digest, i, trial) for i, trial in enumerate(found.trials)]
    assert told.empty()
    return [found.trials, hashlib.sha256(model.predict_proba(x).tobytes()).hexdigest()]


def tell(told: SimpleQueue[Any], folder: Path, *trial: Any) -> None:
    told.put(trial)
    (folder / TOLD).touch()


def signed(folder: Path, metric: str, y: NDArray[Any], answer: NDArray[Any]) -> float:
    """A score, and a file as a sign of it, the same when it is made again."""
    (folder / hashlib.sha256(answer.tobytes()).hexdigest()).touch()
    until = time.monotonic() + 60
    while len(list(folder.iterdir())) == SCORES and not (folder / TOLD).exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    return measure(metric, y, answer)


if __name__ == "__main__":
    target = Path(sys.argv[2])
    room.measure = partial(signed, target)  # type: ignore[attr-defined]
    print(json.dumps(found_by(sys.argv[1], target)))

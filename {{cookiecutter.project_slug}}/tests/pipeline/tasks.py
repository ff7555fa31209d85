"""The rows of `make_frame` with the question of each task."""

from __future__ import annotations

import pandas as pd

from ml.contract import Contract, Target

CLASSES = ("low", "middle", "high")


def of_task(task: str, contract: Contract, frame: pd.DataFrame) -> tuple[Contract, pd.DataFrame]:
    """The same rows with another question."""
    if task == "binary":
        return contract, frame
    pressure = frame["charge"].fillna(100) + 20 * frame["calls"]
    if task == "regression":
        return contract.model_copy(
            update={"target": Target(name="left", task="regression")}
        ), frame.assign(left=pressure)
    labels = pd.cut(pressure, [-1, 120, 240, 1000], labels=list(CLASSES)).astype(object)
    target = Target(name="left", task="multiclass", classes=CLASSES)
    return contract.model_copy(update={"target": target}), frame.assign(left=labels)

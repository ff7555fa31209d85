"""The floor of `benchmarks/first_hour.py`: what a person without a project would type.

Reads a CSV whose target is the column named second on the command line, fits boosting, a linear
model and the naive answer with this project's settings, draws a picture, converts to ONNX and
compares both. Writes plain.png and plain.onnx into the working folder.
Run: `python benchmarks/plain.py table.csv target`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import onnxruntime
import pandas as pd
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import RocCurveDisplay, balanced_accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

mpl.use("agg")
import matplotlib.pyplot as plt

FEW_LEVELS = 40
OPSET = 18


def encode(table: pd.DataFrame) -> tuple[np.ndarray, list[int], list[int], list[int]]:
    """A float32 matrix, texts as codes; the places of numbers, of few and of many levels."""
    numbers: list[int] = []
    few: list[int] = []
    many: list[int] = []
    columns: list[np.ndarray] = []
    for place, name in enumerate(table.columns):
        column = table[name]
        if pd.api.types.is_numeric_dtype(column):
            columns.append(column.to_numpy(np.float32))
            numbers.append(place)
            continue
        codes, levels = pd.factorize(column)
        columns.append(codes.astype(np.float32))
        (few if len(levels) <= FEW_LEVELS else many).append(place)
    return np.column_stack(columns), numbers, few, many


def main() -> None:
    """Read, fit, score, draw, convert, compare."""
    path, target = sys.argv[1:]
    table = pd.read_csv(path)
    y = pd.factorize(table.pop(target), sort=True)[0]
    x, numbers, few, many = encode(table)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0)
    levels = [
        ("few", OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32), few),
        ("many", TargetEncoder(), many),
    ]
    levels = [block for block in levels if block[2]]
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    boosting = HistGradientBoostingClassifier(
        learning_rate=0.06,
        max_iter=300,
        max_leaf_nodes=15,
        l2_regularization=1.0,
        early_stopping=len(y_train) >= 1000,
        random_state=7,
    )
    models = {
        "boosting": make_pipeline(
            ColumnTransformer([("numbers", "passthrough", numbers), *levels]), boosting
        ),
        "linear": make_pipeline(
            ColumnTransformer([("numbers", scaled, numbers), *levels]),
            LogisticRegression(max_iter=2000),
        ),
        "baseline": DummyClassifier(strategy="prior"),
    }
    figure, axes = plt.subplots()
    for name, model in models.items():
        model.fit(x_train, y_train)
        answer = model.predict_proba(x_test)
        print(
            name,
            balanced_accuracy_score(y_test, answer.argmax(axis=1)),
            log_loss(y_test, answer, labels=range(answer.shape[1])),
        )
        if answer.shape[1] == 2:
            RocCurveDisplay.from_predictions(y_test, answer[:, 1], ax=axes, name=name)
    figure.savefig("plain.png")
    onnx = convert_sklearn(
        models["boosting"],
        initial_types=[("x", FloatTensorType([None, x.shape[1]]))],
        options={"zipmap": False},
        target_opset=OPSET,
    ).SerializeToString()
    Path("plain.onnx").write_bytes(onnx)
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    served = session.run(None, {"x": x_test})[1]
    print("onnx", np.abs(served - models["boosting"].predict_proba(x_test)).max())


if __name__ == "__main__":
    main()

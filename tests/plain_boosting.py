"""Boosting with scikit-learn's defaults on a project's own rows, to compare its score with.

Reads data/train.parquet and data/test.parquet of the project in whose folder it runs; texts as
ordinal codes, moments as days.
Prints [score, training rows, held-out rows]; the score is ROC AUC of the last class, or R².
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ml.contract import load_contract
from ml.dataset.frame import read_table
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.preprocessing import OrdinalEncoder


def numbers(frame: Any, names: list[str], encoder: Any, texts: list[str]) -> Any:
    """The frame's columns as one float matrix."""
    made = frame[names].copy()
    for name in names:
        if frame[name].dtype.kind == "M":
            made[name] = frame[name].astype("int64") / 8.64e10  # microseconds in a day
    if texts:
        made[texts] = encoder.transform(frame[texts].astype(str))
    return made.astype("float64").to_numpy()


def main() -> None:
    """Fit, score, print."""
    contract = load_contract()
    train, test = (read_table(Path(f"data/{name}.parquet"), contract) for name in ("train", "test"))
    names, target = contract.names, contract.target.name
    texts = [name for name in names if train[name].dtype == object]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    if texts:
        encoder.fit(train[texts].astype(str))
    x, z = (numbers(frame, names, encoder, texts) for frame in (train, test))
    if contract.is_classification:
        model = HistGradientBoostingClassifier(random_state=0).fit(x, train[target])
        positive = contract.target.classes[-1]
        shares = model.predict_proba(z)[:, list(model.classes_).index(positive)]
        score = roc_auc_score(test[target] == positive, shares)
    else:
        model = HistGradientBoostingRegressor(random_state=0).fit(x, train[target])
        score = r2_score(test[target], model.predict(z))
    print(json.dumps([score, len(train), len(test)]))


if __name__ == "__main__":
    main()

"""The card's figures are values of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.bundle import Answer
from ml.contract import Contract
from ml.pipeline.evaluation.card_figures import HeldOut, card_figures
from ml.pipeline.evaluation.importance import Importance


def test_a_figure_without_a_value_is_null(
    fitted: tuple[HeldOut, Answer],
    contract: Contract,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    held_out, model = fitted
    for folder in ("reports", "data"):
        Path(folder).mkdir()
    report = {"rows": 1000, "without_target": 4, "parts": [{}], "missing": {"plan": 250, "a": 0}}
    Path("reports/ingest.json").write_text(json.dumps(report), encoding="utf-8")
    pd.DataFrame({"seen": held_out.frame["seen"]}).to_parquet("data/train.parquet")
    answers = {"model": model(held_out.x)}
    undefined = {"charge": Importance(np.nan, np.nan, np.nan)}
    found = card_figures(held_out, answers, model, contract, undefined)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["importance"] == [{"column": "charge", "loss": None, "low": None, "high": None}]
    assert found["data"]["missing"] == {"plan": 0.25}
    assert found["data"]["held_out_rows"] == 800
    assert found["data"]["training_span"] == found["data"]["held_out_span"]
    assert set(found["intervals"]["model"]) >= {"roc_auc", "brier", "accuracy"}

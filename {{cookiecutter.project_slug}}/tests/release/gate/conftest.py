"""Comparisons of simulated models, and sealed releases of small ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.simulated_models import Case, drawn
from ml.bundle import load_bundle, onnx_answers, write_bundle
from ml.contract import Contract
from ml.dataset.frame import answer_columns, encode_frame, rows_of_frame, target_codes
from ml.dataset.row_hash import row_hashes
from ml.encode import Encoder
from ml.metrics import naive_answer, score
from ml.model import make_model
from ml.params import Params
from ml.pipeline.training.onnx_convert import to_onnx
from ml.release.gate.comparison import Comparison
from tests.serving.conftest import seal

Compare = Callable[..., Comparison]
LEARNED, HELD_OUT = 600, 400  # rows


@pytest.fixture
def compared() -> Compare:
    """A comparison of `benchmarks.simulated_models`, some of its fields replaced."""

    def make(case: Case, seed: int = 1, **fields: Any) -> Comparison:
        return replace(drawn(case, np.random.default_rng(seed)), **fields)

    return make


@pytest.fixture(scope="session")
def held_out(make_frame: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Rows that neither release was trained on."""
    return make_frame(HELD_OUT, seed=9).assign(customer=[f"new{i}" for i in range(HELD_OUT)])


@pytest.fixture(scope="session")
def champion(
    tmp_path_factory: pytest.TempPathFactory, contract: Contract, params: Params, make_frame: Any
) -> Path:
    """A release of one split, with the hashes of its rows."""
    frame = make_frame(LEARNED + HELD_OUT)
    folder = tmp_path_factory.mktemp("champion") / "1"
    return write_release(folder, contract, params, frame, {"max_iter": 1, "max_leaf_nodes": 2})


@pytest.fixture(scope="session")
def challenger(
    tmp_path_factory: pytest.TempPathFactory, contract: Contract, params: Params, make_frame: Any
) -> Path:
    """A release of forty trees, trained on other rows."""
    frame = make_frame(LEARNED + HELD_OUT, seed=5).assign(
        customer=[f"other{i}" for i in range(LEARNED + HELD_OUT)]
    )
    folder = tmp_path_factory.mktemp("challenger") / "2"
    return write_release(folder, contract, params, frame, {"max_iter": 40})


def write_release(
    folder: Path, contract: Contract, params: Params, frame: pd.DataFrame, boosting: dict[str, int]
) -> Path:
    """Train on the first rows, judge by the others, seal."""
    learned, judged = frame[:LEARNED], frame[LEARNED:].reset_index(drop=True)
    encoder = Encoder(contract)
    settings = params.train.model_copy(
        update={"boosting": params.train.boosting.model_copy(update=boosting)}
    )
    y, x = target_codes(learned, contract), encode_frame(learned, encoder)
    model = to_onnx(make_model(contract, settings).fit(x, y), contract)
    answer = onnx_answers(model, encode_frame(judged, encoder))
    rows = rows_of_frame(judged[:4], contract)
    golden = {"rows": rows, "answers": onnx_answers(model, encoder.rows(rows)).tolist()}
    truth = target_codes(judged, contract)
    naive = np.tile(naive_answer(y, contract), (len(truth), 1))
    about = {
        "metric": "roc_auc",
        "metrics": score(truth, answer, contract),
        "baseline": score(truth, naive, contract),
    }
    write_bundle(folder, model, contract, about, golden)
    seal(folder, folder.name)
    columns = {contract.added(k): v for k, v in answer_columns(answer, contract).items()}
    judged.assign(**columns).to_parquet(folder / "reference.parquet", index=False)
    np.save(folder / "trained_rows.npy", row_hashes(learned, contract))
    load_bundle(folder)
    return folder

"""Fit the model, the naive baseline and a linear model on the training rows.

Reads: contract.yaml, params.yaml (train), data/train.parquet. Writes: models/*.skops (no pickle:
skops stores what an estimator is made of and loads only types that ml/model.py lists by name) and
reports/trials.json.
Run: `python -m ml.pipeline.train` (dvc stage `train`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.atomic import write_json
from ml.contract import Contract, load_contract
from ml.dataset.frame import encode_frame, read_table, target_codes
from ml.encode import Encoder
from ml.errors import UserError
from ml.model import make_baseline, make_model
from ml.params import load_params
from ml.pipeline.artifacts import MODELS, TRAIN, TRIALS, save_model
from ml.pipeline.onnx_convert import round_to_float32
from ml.pipeline.search import search
from ml.pipeline.stage import run_stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.encode import Matrix
    from ml.params import Train

STOPPING_ROWS = 1000  # with fewer rows, or fewer of the rarest class, a held-back tenth is noise
STOPPING_CLASS_ROWS = 50
# the linear model is a yardstick: more rows would cost minutes and change nothing
LINEAR_ROWS = 100_000


@dataclass(frozen=True)
class Fitted:
    """Estimators by name (`model`, `baseline`, `linear`) and the trials of the search."""

    models: dict[str, Any]
    trials: list[dict[str, Any]]


def fit(x: Matrix, y: NDArray[Any], contract: Contract, params: Train) -> Fitted:
    """Fit on encoded rows.

    Args:
        x: (n, k) float32, in order of time where there is one.
        y: (n,) class codes or values.
        contract: what a row is.
        params: which model, and its settings.
    """
    params = params if _enough_to_stop_early(y, contract) else _without_early_stopping(params)
    linear = _fit_linear(x, y, contract, params)
    baseline = make_baseline(contract).fit(x, y)
    model, trials = _fit_model(x, y, contract, params)
    rounded = {"model": round_to_float32(model), "linear": round_to_float32(linear)}
    return Fitted({**rounded, "baseline": baseline}, trials)


def _fit_model(
    x: Matrix, y: NDArray[Any], contract: Contract, params: Train
) -> tuple[Any, list[dict[str, Any]]]:
    """The model with the given settings or the best that are tried, and what was tried."""
    if params.search.trials:
        return search(x, y, contract, params)
    return make_model(contract, params).fit(x, y), []


def _fit_linear(x: Matrix, y: NDArray[Any], contract: Contract, params: Train) -> Any:
    drawn = np.random.default_rng(params.seed).permutation(len(y))[:LINEAR_ROWS]
    linear = make_model(contract, params.model_copy(update={"model": "linear"}))
    return linear.fit(x[drawn], y[drawn])


def _enough_to_stop_early(y: NDArray[Any], contract: Contract) -> bool:
    rarest = np.bincount(y).min() if contract.is_classification else len(y)
    return len(y) >= STOPPING_ROWS and rarest >= STOPPING_CLASS_ROWS


def _without_early_stopping(params: Train) -> Train:
    return params.model_copy(
        update={"boosting": params.boosting.model_copy(update={"early_stopping": False})}
    )


def main() -> None:
    """Fit on the training rows and write the three estimators."""
    contract, params = load_contract(), load_params().train
    x, y = _training_rows(contract)
    print(f"train: {params.model} on {len(y)} rows, {x.shape[1]} features", flush=True)
    fitted = fit(x, y, contract, params)
    _write(fitted)


def _write(fitted: Fitted) -> None:
    for name, model in fitted.models.items():
        save_model(model, MODELS / f"{name}.skops")
    write_json(TRIALS, fitted.trials)


def _training_rows(contract: Contract) -> tuple[Matrix, NDArray[Any]]:
    """The encoded training rows, in order of time where there is one, and their targets."""
    frame = read_table(TRAIN, contract)
    if contract.time:
        frame = frame.sort_values(contract.time, kind="stable", na_position="first")
    encoder = Encoder(contract)
    if not encoder.features:
        raise _no_feature()
    return encode_frame(frame, encoder), target_codes(frame, contract)


def _no_feature() -> UserError:
    return UserError(
        "contract.yaml: none of its columns is a feature",
        "give a text its `buckets` or a datetime its `parts`, or adopt a table with more columns",
    )


if __name__ == "__main__":
    run_stage(main)

"""Fit the model, the naive baseline and a linear model on the training rows; store them as ONNX.

A model whose ONNX form answers differently is refused here: nothing later sees scikit-learn's.
Reads: contract.yaml, params.yaml (train, export.tolerance), data/train.parquet. Writes:
models/*.onnx, reports/trials.json, metrics/candidates.json and reports/parity.json.
Run: `python -m ml.pipeline.train` (dvc stage `train`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.atomic import write_json
from ml.bundle import onnx_answers
from ml.contract import Contract, load_contract
from ml.dataset.frame import encode_frame, read_table, target_codes
from ml.encode import Encoder
from ml.errors import UserError
from ml.metrics import answers
from ml.model import make_model
from ml.params import load_params
from ml.pipeline.artifacts import CANDIDATES, MODELS, PARITY, TRAIN, TRIALS
from ml.pipeline.stage import run_stage
from ml.pipeline.stored_models import model_path
from ml.pipeline.training.candidates import choose
from ml.pipeline.training.onnx_convert import constant_onnx, round_to_float32, to_onnx
from ml.pipeline.training.parity import (
    difference,
    format_row,
    parity,
    refuse_difference,
    rows_to_compare,
)
from ml.pipeline.training.search import search

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.encode import Matrix
    from ml.params import Params, Train

ONE_THREAD_VALUES = 200_000
STOPPING_ROWS = 1000  # with fewer rows, or fewer of the rarest class, a held-back tenth is noise
STOPPING_CLASS_ROWS = 50
# the linear model is a yardstick: more rows would cost minutes and change nothing
LINEAR_ROWS = 100_000


@dataclass(frozen=True)
class Fitted:
    """What the training rows gave."""

    model: Any  # scikit-learn pipelines
    linear: Any
    baseline: NDArray[np.float64]  # the naive answer, (m,): class shares, or the mean
    comparison: dict[str, Any]  # of the kinds of model: `chosen`, and how it was chosen
    trials: list[dict[str, Any]]  # of the search


def fit(x: Matrix, y: NDArray[Any], contract: Contract, params: Train) -> Fitted:
    """Fit on encoded rows.

    Args:
        x: (n, k) float32, in order of time where there is one.
        y: (n,) class codes or values.
        contract: what a row is.
        params: which model, and its settings.
    """
    params = params if _enough_to_stop_early(y, contract) else _without_early_stopping(params)
    comparison = _chosen(x, y, contract, params)
    chosen = params.model_copy(update={"model": comparison["chosen"]})
    model, trials = _fit_model(x, y, contract, chosen)
    linear = model if _is_yardstick(chosen, y) else _fit_linear(x, y, contract, params)
    return Fitted(
        round_to_float32(model),
        round_to_float32(linear),
        naive_answer(y, contract),
        comparison,
        trials,
    )


def _chosen(x: Matrix, y: NDArray[Any], contract: Contract, params: Train) -> dict[str, Any]:
    if params.model == "auto":
        return choose(x, y, contract, params)
    return {"chosen": params.model, "candidates": {}}


def _fit_model(
    x: Matrix, y: NDArray[Any], contract: Contract, params: Train
) -> tuple[Any, list[dict[str, Any]]]:
    """The model with the given settings or the best that are tried, and what was tried."""
    if params.search.trials:
        return search(x, y, contract, params)
    return make_model(contract, params).fit(x, y), []


def _is_yardstick(chosen: Train, y: NDArray[Any]) -> bool:
    """Whether the model is the linear one that it would be compared with."""
    return chosen.model == "linear" and not chosen.search.trials and len(y) <= LINEAR_ROWS


def naive_answer(y: NDArray[Any], contract: Contract) -> NDArray[np.float64]:
    """The answer that any model must beat: the training rows' class shares, or their mean."""
    if contract.is_classification:
        return np.bincount(y, minlength=len(contract.target.classes)) / len(y)
    return np.array([y.mean()], dtype=np.float64)


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
    contract, params = load_contract(), load_params()
    x, y = _training_rows(contract)
    print(f"train: {params.train.model} on {len(y)} rows, {x.shape[1]} features", flush=True)
    with _threads(x):
        fitted = fit(x, y, contract, params.train)
    if fitted.comparison["candidates"]:
        print(f"train: {format_comparison(fitted.comparison)}", flush=True)
    model = to_onnx(fitted.model, contract)
    write_json(CANDIDATES, fitted.comparison)
    write_json(TRIALS, fitted.trials)
    _check_parity(fitted.model, model, x, contract, params)
    _write_models(model, fitted, contract)


def _threads(x: Matrix) -> AbstractContextManager[Any]:
    """One thread for trees of small tables: there threads wait for each other most of the time."""
    import sklearn.ensemble  # noqa: F401  (only a pool that is loaded can be limited)
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "openmp") if x.size < ONE_THREAD_VALUES else nullcontext()


def format_comparison(comparison: dict[str, Any]) -> str:
    """Each kind's cross-validated score, and the one that was chosen."""
    candidates = comparison["candidates"].items()
    scores = ", ".join(f"{kind} {candidate['score']:.4f}" for kind, candidate in candidates)
    return (
        f"{comparison['metric']} by cross-validation: {scores}; {comparison['chosen']}, "
        "the simplest within one standard error of the best"
    )


def _check_parity(fitted: Any, model: bytes, x: Matrix, contract: Contract, params: Params) -> None:
    features = Encoder(contract).features
    rows = rows_to_compare(x, features, params.train.seed)
    expected, answered = answers(fitted, rows, contract), onnx_answers(model, rows)
    report = parity(expected, answered, contract, params.export.tolerance)
    write_json(PARITY, report)
    gap = difference(expected, answered, contract)
    refuse_difference(report, expected, answered, gap, lambda row: format_row(rows[row], features))
    agreement = f"{report['largest_difference']:.1g} on {report['rows']} rows"
    print(f"train: ONNX agrees to {agreement}", flush=True)


def _write_models(model: bytes, fitted: Fitted, contract: Contract) -> None:
    linear = model if fitted.linear is fitted.model else to_onnx(fitted.linear, contract)
    MODELS.mkdir(parents=True, exist_ok=True)
    model_path("model").write_bytes(model)
    model_path("linear").write_bytes(linear)
    model_path("baseline").write_bytes(constant_onnx(fitted.baseline, contract))


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

"""Fit the model, the naive baseline and a linear model on the training rows; store them as ONNX.

A model whose ONNX form answers differently is refused here: nothing later sees scikit-learn's.
`models/measured.onnx` has not seen the held-out rows and is what they measure; `models/model.onnx`
serves: the same, or with `refit` of recipe.yaml fitted again with the held-out rows.
Reads: contract.yaml, params.yaml (train, export.tolerance), recipe.yaml, data/train.parquet, and
data/test.parquet where the recipe needs it. Writes: models/*.onnx, models/trained_rows.npy,
reports/trials.json, metrics/candidates.json and reports/parity.json.
Run: `python -m ml.pipeline.train` (dvc stage `train`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.atomic import write_array, write_bytes, write_json
from ml.bundle import onnx_answers
from ml.contract import Contract, load_contract
from ml.dataset.recipe import Recipe, load_recipe
from ml.encode import Encoder
from ml.metrics import answers, gate_metric, naive_answer
from ml.model import make_model
from ml.params import load_params
from ml.pipeline.artifacts import CANDIDATES, MODELS, PARITY, TEST, TRAIN, TRAINED_ROWS, TRIALS
from ml.pipeline.stage import run_stage
from ml.pipeline.stored_models import model_path
from ml.pipeline.training.candidates import choose
from ml.pipeline.training.lightgbm_workers import fit_model, refuse_others, workers_of
from ml.pipeline.training.onnx_convert import constant_onnx, round_to_float32, to_onnx
from ml.pipeline.training.parity import (
    difference,
    format_row,
    parity,
    refuse_difference,
    rows_to_compare,
)
from ml.pipeline.training.rows import Rows, read_rows
from ml.pipeline.training.search import Searched, search
from ml.pipeline.training.trial_log import telling
from ml.pipeline.training.windows import choose_window, usable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ml.bundle import Answer
    from ml.encode import Matrix
    from ml.params import Params, Train
    from ml.pipeline.training.trial_log import Tell

    Trained = tuple[Any, Searched]  # the model, and what its search has tried

PLAIN = Recipe()
ONE_THREAD_VALUES = 200_000
STOPPING_ROWS = 1000  # with fewer rows, or fewer of the rarest class, a held-back tenth is noise
STOPPING_CLASS_ROWS = 50
# the linear model is a yardstick: more rows would cost minutes and change nothing
LINEAR_ROWS = 100_000


@dataclass(frozen=True)
class Fitted:
    """What the training rows gave."""

    measured: Any  # scikit-learn pipeline that has not seen the held-out rows
    model: Any  # the one that serves: `measured`, or fitted again with the held-out rows
    linear: Any
    baseline: NDArray[np.float64]  # the naive answer, (m,): class shares, or the mean
    comparison: dict[str, Any]  # of kinds and windows: `chosen`, and how it was chosen
    searched: Searched
    hashes: NDArray[np.uint64]  # of the rows that `model` learned from


def fit(
    rows: Rows,
    contract: Contract,
    params: Train,
    recipe: Recipe = PLAIN,
    held_out: Rows | None = None,
    metric: str = "",
    tell: Tell | None = None,
) -> Fitted:
    """Fit on encoded rows.

    Args:
        rows: the training rows.
        contract: what a row is.
        params: which model, and its settings.
        recipe: the windows to choose from, and whether to fit again on all rows.
        held_out: the rows that decide between windows; needed with windows or a refit.
        metric: decides between windows; higher is better.
        tell: is told of the search's trials as they end.
    """
    params = stopping(rows.y, contract, params)
    comparison, chosen = _chosen(rows, contract, params)
    fit_rows = partial(_fit_model, contract=contract, params=chosen, tell=tell)
    answer_of, fitted_on = _by_window(rows, contract, fit_rows)
    windows = usable(recipe.windows, rows.y, contract)
    window, scores = choose_window(windows, answer_of, held_out, metric)
    learned, (measured, searched) = rows.newest(window), fitted_on(window)
    baseline = naive_answer(learned.y, contract)
    linear = _linear(measured, learned, contract, params, chosen)
    model = measured
    if recipe.refit:
        learned = _moved_on(rows, held_out, window)
        model, _ = fit_rows(learned)
    comparison |= {"windows": scores, "window": window, **workers_of(measured, params)}
    measured, model, linear = _rounded(measured, model, linear)
    return Fitted(measured, model, linear, baseline, comparison, searched, learned.hashes)


def _by_window(
    rows: Rows, contract: Contract, fit_rows: Callable[[Rows], Trained]
) -> tuple[Callable[[int], Answer], Callable[[int], Trained]]:
    """The answers of a model of so many newest rows, and the model itself, fitted once."""

    @cache
    def fitted_on(newest: int) -> Trained:
        return fit_rows(rows.newest(newest))

    return lambda newest: partial(answers, fitted_on(newest)[0], contract=contract), fitted_on


def _rounded(*models: Any) -> list[Any]:
    """The models as float32 splits them; one that stands twice stays one object."""
    rounded = {id(model): round_to_float32(model) for model in models}
    return [rounded[id(model)] for model in models]


def _moved_on(rows: Rows, held_out: Rows | None, window: int) -> Rows:
    """The chosen window with the held-out rows: all rows, or as many of the newest as before."""
    every = rows if held_out is None else rows.followed_by(held_out)
    return every if window == len(rows.y) else every.newest(window)


def _chosen(rows: Rows, contract: Contract, params: Train) -> tuple[dict[str, Any], Train]:
    """How the kinds of model compare, and the settings with the chosen one."""
    comparison: dict[str, Any] = {"chosen": params.model, "candidates": {}}
    if params.model == "auto":
        comparison = choose(rows.x, rows.y, contract, params)
    return comparison, params.model_copy(update={"model": comparison["chosen"]})


def _fit_model(rows: Rows, contract: Contract, params: Train, tell: Tell | None) -> Trained:
    """The model with the given settings or the best that are tried, and what was tried."""
    if params.search.trials:
        return search(rows.x, rows.y, contract, params, tell)
    return fit_model(make_model(contract, params), rows.x, rows.y, params), Searched()


def _is_yardstick(chosen: Train, y: NDArray[Any]) -> bool:
    """Whether the model is the linear one that it would be compared with."""
    return chosen.model == "linear" and not chosen.search.trials and len(y) <= LINEAR_ROWS


def _linear(measured: Any, rows: Rows, contract: Contract, params: Train, chosen: Train) -> Any:
    """The linear model to judge the chosen one by; itself where it is that."""
    if _is_yardstick(chosen, rows.y):
        return measured
    drawn = np.random.default_rng(params.seed).permutation(len(rows.y))[:LINEAR_ROWS]
    linear = make_model(contract, params.model_copy(update={"model": "linear"}))
    return linear.fit(rows.x[drawn], rows.y[drawn])


def stopping(y: NDArray[Any], contract: Contract, params: Train) -> Train:
    """The settings; without early stopping where a held-back tenth of the rows is noise."""
    rarest = np.bincount(y).min() if contract.is_classification else len(y)
    if len(y) >= STOPPING_ROWS and rarest >= STOPPING_CLASS_ROWS:
        return params
    never = {"early_stopping": False}
    boosting, lightgbm = (of.model_copy(update=never) for of in (params.boosting, params.lightgbm))
    return params.model_copy(update={"boosting": boosting, "lightgbm": lightgbm})


def main() -> None:
    """Fit on the training rows and write the estimators."""
    contract, params, recipe = load_contract(), load_params(), load_recipe()
    refuse_others(params.train)
    rows = read_rows(TRAIN, contract)
    held_out = read_rows(TEST, contract) if recipe.windows or recipe.refit else None
    metric = gate_metric(params.evaluate.metric, contract)
    size = f"{len(rows.y)} rows, {rows.x.shape[1]} features"
    print(f"train: {params.train.model} on {size}", flush=True)
    with few_threads(rows.x, params.train), telling(params.name) as tell:
        fitted = fit(rows, contract, params.train, recipe, held_out, metric, tell)
    _print_comparison(fitted.comparison)
    model = to_onnx(fitted.model, contract)
    write_json(CANDIDATES, fitted.comparison)
    write_json(TRIALS, asdict(fitted.searched))
    _check_parity(fitted.model, model, rows.x, contract, params)
    _write_models(model, fitted, contract)


def few_threads(x: Matrix, params: Train) -> AbstractContextManager[Any]:
    """One thread for trees of small tables: there threads wait for each other most of the time."""
    import sklearn.ensemble  # noqa: F401  (only a pool that is loaded can be limited)
    from threadpoolctl import threadpool_limits

    if params.model == "lightgbm":
        import lightgbm  # noqa: F401  (it has a pool of its own)

    return threadpool_limits(1, "openmp") if x.size < ONE_THREAD_VALUES else nullcontext()


def _print_comparison(comparison: dict[str, Any]) -> None:
    if comparison["candidates"]:
        print(f"train: {format_comparison(comparison)}", flush=True)
    if comparison["windows"]:
        scores = ", ".join(f"{n} rows {score:.4f}" for n, score in comparison["windows"].items())
        print(f"train: held-out rows by window: {scores}; {comparison['window']}", flush=True)


def format_comparison(comparison: dict[str, Any]) -> str:
    """Each kind's cross-validated score, and the one that was chosen."""
    candidates = comparison["candidates"].items()
    scores = ", ".join(_format_candidate(kind, candidate) for kind, candidate in candidates)
    return (
        f"{comparison['metric']} by cross-validation: {scores}; {comparison['chosen']}, "
        "the simplest within one standard error of the best"
    )


def _format_candidate(kind: str, candidate: dict[str, Any]) -> str:
    early = " (far behind after one fold)" if candidate["out_of_race"] else ""
    return f"{kind} {candidate['score']:.4f}{early}"


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
    measured = model if fitted.measured is fitted.model else to_onnx(fitted.measured, contract)
    linear = measured if fitted.linear is fitted.measured else to_onnx(fitted.linear, contract)
    MODELS.mkdir(parents=True, exist_ok=True)
    write_bytes(model_path("model"), model)
    write_bytes(model_path("measured"), measured)
    write_bytes(model_path("linear"), linear)
    write_array(TRAINED_ROWS, np.unique(fitted.hashes))
    write_bytes(model_path("baseline"), constant_onnx(fitted.baseline, contract))


if __name__ == "__main__":
    run_stage(main)

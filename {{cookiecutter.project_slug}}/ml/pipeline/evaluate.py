"""How good the model is on the held-out rows, beside a baseline and a linear model.

Reads: contract.yaml, params.yaml (evaluate, explain), data/test.parquet, models/*.onnx.
Writes: metrics/<estimator>.json, reports/evaluate/ (summary.json, slices.json, importance.json,
what `dvc plots` shows: images/*.png and *.csv), data/reference.parquet, the held-out rows with
their predictions, which the monitor compares live traffic with, and data/explain.npy, some of them
encoded, which answers are explained with.
Run: `python -m ml.pipeline.evaluate` (dvc stage `evaluate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.atomic import write_json
from ml.contract import Contract, load_contract
from ml.dataset.frame import answer_columns, encode_frame, read_table, target_codes
from ml.dataset.slices import slices_of
from ml.encode import Encoder
from ml.explain.references import check_fixed, write_pool
from ml.metrics import gate_metric, interval, measure, score
from ml.params import load_params
from ml.pipeline.artifacts import EVALUATION, EXPLAIN_POOL, METRICS, REFERENCE, TEST
from ml.pipeline.plots import Evaluation, write_plots
from ml.pipeline.stage import run_stage
from ml.pipeline.stored_models import load_model

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from ml.bundle import Answer
    from ml.encode import Matrix
    from ml.params import Evaluate

# name in metrics/ → stored model; none of them has seen the held-out rows
ESTIMATORS = {"model": "measured", "linear": "linear", "baseline": "baseline"}
IMPORTANCE_ROWS = 2000  # permutation importance settles long before
SHUFFLES = 3  # of each column; its importance is their mean
IMPORTANCE_ANSWERS = 1_000_000  # of the model for all columns together: some seconds
IMPORTANCE_LEAST_ROWS = 300


def compare(
    models: dict[str, Answer], x: Matrix, y: NDArray[Any], contract: Contract
) -> dict[str, dict[str, float]]:
    """Metrics of every estimator on the same rows, by its name."""
    return {name: score(y, answer(x), contract) for name, answer in models.items()}


def summary(y: NDArray[Any], answer: NDArray[Any], metric: str) -> dict[str, Any]:
    """What the gate compares, on how many rows, and the model's 95 % bootstrap interval."""
    low, high = interval(y, answer, metric)
    return {"metric": metric, "rows": len(y), "interval_95": {"low": low, "high": high}}


def format_summary(compared: dict[str, dict[str, float]], about: dict[str, Any]) -> str:
    """The gate's metric of each estimator, the model's with its interval, and what it suggests."""
    figure_of = {name: compared[name].get(about["metric"]) for name in ESTIMATORS}
    figures = _format_figures(figure_of, about)
    if not _linear_is_better(figure_of["model"], figure_of["linear"]):
        return figures
    return (
        f"{figures}\nevaluate: the linear model is better here: "
        "in params.yaml `train: model: linear`, then make flow"
    )


def _linear_is_better(model: float | None, linear: float | None) -> bool:
    return model is not None and linear is not None and linear > model


def _format_figures(figure_of: dict[str, float | None], about: dict[str, Any]) -> str:
    model, linear, baseline = (_format_figure(figure_of[name]) for name in ESTIMATORS)
    low, high = about["interval_95"]["low"], about["interval_95"]["high"]
    return (
        f"evaluate: {about['metric']} {model} (95 % {low:.4f} to {high:.4f}), linear {linear}, "
        f"baseline {baseline}, on {about['rows']} held-out rows"
    )


def _format_figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def slices(
    frame: pd.DataFrame, y: NDArray[Any], answer: NDArray[Any], contract: Contract, params: Evaluate
) -> list[dict[str, Any]]:
    """The gate's metric for each level of the first categorical and boolean columns.

    None where the rows of a level cannot define it; levels with few rows are left out.
    """
    metric = gate_metric(params.metric, contract)
    return [
        {"column": column, "level": level, "rows": len(rows)}
        | {metric: _defined(measure(metric, y[rows], answer[rows]))}
        for column, level, rows in slices_of(frame, contract, params)
    ]


def _defined(figure: float) -> float | None:
    return None if np.isnan(figure) else figure


def importance(
    model: Answer, x: Matrix, y: NDArray[Any], contract: Contract, metric: str
) -> dict[str, float]:
    """Loss of the metric when a column's values are shuffled, highest first (Breiman 2001).

    All parts of one column of the contract are shuffled together; mean of three shuffles (of one,
    on fewer rows, where a table is wide), in units of the metric.
    """
    rng = np.random.default_rng(0)
    columns = _places(contract)
    n, shuffles = _importance_effort(len(columns), len(contract.target.classes))
    rows = rng.permutation(len(y))[:n]
    x, y = x[rows], y[rows]

    def measured(values: Matrix) -> float:
        return measure(metric, y, model(values))

    losses = _losses(measured, x, columns, shuffles, rng)
    return dict(sorted(losses.items(), key=lambda item: -item[1]))


def _importance_effort(columns: int, classes: int) -> tuple[int, int]:
    """Rows and shuffles of each column: wide tables and many classes get fewer of both."""
    answers = IMPORTANCE_ANSWERS // max(1, classes - 1)  # trees grow with the classes
    if columns * IMPORTANCE_ROWS * SHUFFLES <= answers:
        return IMPORTANCE_ROWS, SHUFFLES
    affordable = answers // columns
    return min(IMPORTANCE_ROWS, max(IMPORTANCE_LEAST_ROWS, affordable)), 1


def _losses(
    measured: Callable[[Matrix], float],
    x: Matrix,
    places: dict[str, list[int]],
    shuffles: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """What the metric loses by each column; nothing by one that is not in the matrix."""
    unshuffled = measured(x)
    return {
        name: unshuffled - _mean_shuffled(measured, x, columns, shuffles, rng) if columns else 0.0
        for name, columns in places.items()
    }


def _places(contract: Contract) -> dict[str, list[int]]:
    """Where each column of the contract lies in the encoded matrix; an empty list: nowhere."""
    features = Encoder(contract).features
    return {
        name: [i for i, feature in enumerate(features) if feature.column == name]
        for name in contract.names
    }


def _mean_shuffled(
    measured: Callable[[Matrix], float],
    x: Matrix,
    places: list[int],
    shuffles: int,
    rng: np.random.Generator,
) -> float:
    return float(np.mean([measured(_shuffled(x, places, rng)) for _ in range(shuffles)]))


def _shuffled(x: Matrix, places: list[int], rng: np.random.Generator) -> Matrix:
    shuffled = x.copy()
    shuffled[:, places] = x[rng.permutation(len(x))][:, places]
    return shuffled


def reference(frame: pd.DataFrame, answer: NDArray[Any], contract: Contract) -> pd.DataFrame:
    """The held-out rows with `prediction` (label or value) and `probability:<class>` of classes."""
    import pandas as pd

    columns = {contract.added(name): of for name, of in answer_columns(answer, contract).items()}
    # at once: pandas slows down with each column of hundreds of classes that is added alone
    return pd.concat([frame, pd.DataFrame(columns, index=frame.index)], axis=1)


def main() -> None:
    """Write metrics, slices, importance, plots, the monitor's reference, rows to explain with."""
    contract, settings = load_contract(), load_params()
    params = settings.evaluate
    check_fixed(settings.explain.fixed, contract)
    frame = read_table(TEST, contract)
    x, y = encode_frame(frame, Encoder(contract)), target_codes(frame, contract)
    models = {name: load_model(stored) for name, stored in ESTIMATORS.items()}
    metric = gate_metric(params.metric, contract)
    answer = models["model"](x)
    _write_metrics(compare(models, x, y, contract), summary(y, answer, metric))
    write_json(EVALUATION / "slices.json", slices(frame, y, answer, contract, params))
    weights = importance(models["model"], x, y, contract, metric)
    _write_evaluation(Evaluation(y, answer, contract, weights))
    reference(frame, answer, contract).to_parquet(REFERENCE, index=False)
    write_pool(EXPLAIN_POOL, x, settings.explain.rows)


def _write_evaluation(evaluation: Evaluation) -> None:
    write_json(EVALUATION / "importance.json", evaluation.importance)
    write_plots(EVALUATION, evaluation)


def _write_metrics(compared: dict[str, dict[str, float]], about: dict[str, Any]) -> None:
    for name, scores in compared.items():
        write_json(METRICS / f"{name}.json", scores)
    write_json(EVALUATION / "summary.json", about)
    print(format_summary(compared, about), flush=True)


if __name__ == "__main__":
    run_stage(main)

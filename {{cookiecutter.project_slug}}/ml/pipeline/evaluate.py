"""How good is the model on the held-out rows: metrics beside a baseline and a linear model, slices, pictures.

Reads: contract.yaml, params.yaml (evaluate), data/test.parquet, models/*.skops.
Writes: metrics/<estimator>.json, reports/evaluate/ (summary.json, slices.json, importance.json,
*.png) and data/reference.parquet, the held-out rows with their predictions, which the monitor
compares live traffic with.
Run: `python -m ml.pipeline.evaluate` (dvc stage `evaluate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.atomic import write_json
from ml.contract import Boolean, Categorical, Contract, load_contract
from ml.dataset.frame import encode_frame, read_table, target_codes
from ml.encode import Encoder
from ml.metrics import answers, gate_metric, interval, measure, score
from ml.model import STORED_TYPES
from ml.params import load_params
from ml.pipeline.artifacts import EVALUATION, METRICS, MODELS, REFERENCE, TEST, load_model
from ml.pipeline.stage import run_stage

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.encode import Matrix
    from ml.params import Evaluate

IMPORTANCE_ROWS = 2000  # permutation importance settles long before


def compare(
    models: dict[str, Any], x: Matrix, y: NDArray[Any], contract: Contract
) -> dict[str, dict[str, float]]:
    """Metrics of every estimator on the same rows, by its name."""
    return {name: score(y, answers(model, x, contract), contract) for name, model in models.items()}


def summary(y: NDArray[Any], answer: NDArray[Any], metric: str) -> dict[str, Any]:
    """What the gate compares, on how many rows, and the 95 % bootstrap interval of the model's figure."""
    low, high = interval(y, answer, metric)
    return {"metric": metric, "rows": len(y), "interval_95": {"low": low, "high": high}}


def in_words(compared: dict[str, dict[str, float]], about: dict[str, Any]) -> str:
    """The figures in one line (the model's with its interval, the linear's, the baseline's), and what they suggest."""
    metric, between = about["metric"], about["interval_95"]
    linear, baseline = compared["linear"].get(metric), compared["baseline"].get(metric)
    figures = (
        f"evaluate: {metric} {compared['model'][metric]:.4f} (95 % {between['low']:.4f} to {between['high']:.4f}), "
        f"linear {linear:.4f}, baseline {baseline:.4f}, on {about['rows']} held-out rows"
    )
    if linear is None or linear <= compared["model"][metric]:
        return figures
    return f"{figures}\nevaluate: the linear model is better here: in params.yaml `train: model: linear`, then make flow"


def slices(
    frame: pd.DataFrame, y: NDArray[Any], answer: NDArray[Any], contract: Contract, params: Evaluate
) -> list[dict[str, Any]]:
    """The gate's metric for each level of the first categorical and boolean columns (None: it is undefined there)."""
    metric = gate_metric(params.metric, contract)
    found = []
    for column in [c for c in contract.columns if isinstance(c, Categorical | Boolean)][
        : params.slices
    ]:
        values = frame[column.name].to_numpy(dtype=object)
        for level in column.levels if isinstance(column, Categorical) else (True, False):
            rows = np.flatnonzero(values == level)
            if len(rows) >= params.min_slice_rows:
                value = measure(metric, y[rows], answer[rows])
                figure = None if np.isnan(value) else value
                found.append(
                    {"column": column.name, "level": level, "rows": len(rows), metric: figure}
                )
    return found


def importance(
    model: Any, x: Matrix, y: NDArray[Any], contract: Contract, metric: str
) -> dict[str, float]:
    """Loss of the metric when a column's values are shuffled among the rows, highest first (Breiman 2001).

    All parts of one column of the contract are shuffled together; mean of three shuffles, in units
    of the metric.
    """
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(y))[:IMPORTANCE_ROWS]
    x, y = x[rows], y[rows]

    def measured(values: Matrix) -> float:
        return measure(metric, y, answers(model, values, contract))

    whole, made = measured(x), Encoder(contract).features
    losses = {}
    for name in contract.names:
        places = [i for i, feature in enumerate(made) if feature.column == name]
        shuffles = [_shuffled(x, places, rng) for _ in range(3 if places else 0)]
        losses[name] = (
            whole - float(np.mean([measured(values) for values in shuffles])) if places else 0.0
        )
    return dict(sorted(losses.items(), key=lambda item: -item[1]))


def _shuffled(x: Matrix, places: list[int], rng: np.random.Generator) -> Matrix:
    shuffled = x.copy()
    shuffled[:, places] = x[rng.permutation(len(x))][:, places]
    return shuffled


def reference(frame: pd.DataFrame, answer: NDArray[Any], contract: Contract) -> pd.DataFrame:
    """The held-out rows with `prediction` (label or value) and, for classes, `probability:<class>`."""
    if not contract.is_classification:
        return frame.assign(**{contract.added("prediction"): answer[:, 0]})
    classes = np.array(contract.target.classes, dtype=object)
    probabilities = {
        contract.added(f"probability:{name}"): answer[:, i] for i, name in enumerate(classes)
    }
    return frame.assign(
        **{contract.added("prediction"): classes[answer.argmax(axis=1)]}, **probabilities
    )


def main() -> None:
    """Write metrics, slices, importance, pictures and the monitor's reference."""
    from ml.pipeline import plots

    contract, params = load_contract(), load_params().evaluate
    frame = read_table(TEST, contract)
    x, y = encode_frame(frame, Encoder(contract)), target_codes(frame, contract)
    models = {
        name: load_model(MODELS / f"{name}.skops", STORED_TYPES)
        for name in ("model", "linear", "baseline")
    }
    metric = gate_metric(params.metric, contract)
    answer = answers(models["model"], x, contract)
    weights = importance(models["model"], x, y, contract, metric)
    compared, about = compare(models, x, y, contract), summary(y, answer, metric)
    for name, scores in compared.items():
        write_json(METRICS / f"{name}.json", scores)
    write_json(EVALUATION / "summary.json", about)
    print(in_words(compared, about), flush=True)
    write_json(EVALUATION / "slices.json", slices(frame, y, answer, contract, params))
    write_json(EVALUATION / "importance.json", weights)
    plots.draw(EVALUATION, y, answer, contract, weights)
    reference(frame, answer, contract).to_parquet(REFERENCE, index=False)


if __name__ == "__main__":
    run_stage(main)

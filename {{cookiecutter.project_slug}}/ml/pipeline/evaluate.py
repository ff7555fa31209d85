"""How good the model is on the held-out rows, beside a baseline and a linear model.

Reads: contract.yaml, params.yaml (evaluate, explain, fairness), data/test.parquet, models/*.onnx;
for the card's facts reports/ingest.json and data/train.parquet.
Writes: metrics/<estimator>.json, metrics/fairness.json (figures by group), metrics/card.json (the
model card's other figures), reports/evaluate/ (summary.json, slices.json, importance.json, what
`dvc plots` shows: images/*.png and *.csv), data/reference.parquet, the held-out rows with their
predictions, which the monitor compares live traffic with, and data/explain.npy, some of them
encoded, which answers are explained with.
Run: `python -m ml.pipeline.evaluate` (dvc stage `evaluate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.atomic import staged, write_json
from ml.contract import Contract, load_contract
from ml.dataset.frame import answer_columns, encode_frame, read_table, target_codes
from ml.dataset.slices import slices_of
from ml.encode import Encoder
from ml.explain.references import check_fixed, write_pool
from ml.fairness.report import fairness_report
from ml.metrics import gate_metric, interval, measure, score
from ml.params import load_params
from ml.pipeline.artifacts import (
    CARD_FIGURES,
    EVALUATION,
    EXPLAIN_POOL,
    FAIRNESS,
    METRICS,
    REFERENCE,
    TEST,
)
from ml.pipeline.evaluation.card_figures import HeldOut, card_figures
from ml.pipeline.evaluation.importance import importance
from ml.pipeline.plots import Evaluation, write_plots
from ml.pipeline.stage import run_stage
from ml.pipeline.stored_models import load_model
from ml.statistics import influence

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.params import Evaluate

# name in metrics/ → stored model; none of them has seen the held-out rows
ESTIMATORS = {"model": "measured", "linear": "linear", "baseline": "baseline"}


def compare(
    answers: dict[str, NDArray[Any]], y: NDArray[Any], contract: Contract
) -> dict[str, dict[str, float]]:
    """Metrics of every estimator on the same rows, by its name."""
    return {name: score(y, answer, contract) for name, answer in answers.items()}


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
    """The gate's metric, with its interval, for each level of the first columns that have levels.

    None where the rows of a level cannot define it; levels with few rows are left out.
    """
    metric = gate_metric(params.metric, contract)
    return [
        {"column": column, "level": level, "rows": len(rows)}
        | _with_interval(metric, y[rows], answer[rows])
        for column, level, rows in slices_of(frame, contract, params)
    ]


def _with_interval(metric: str, y: NDArray[Any], answer: NDArray[Any]) -> dict[str, Any]:
    ends = influence.interval(metric, y, answer)
    return {
        metric: None if ends is None else measure(metric, y, answer),
        "interval_95": None if ends is None else dict(zip(("low", "high"), ends, strict=True)),
    }


def reference(frame: pd.DataFrame, answer: NDArray[Any], contract: Contract) -> pd.DataFrame:
    """The held-out rows with `prediction` (label or value) and `probability:<class>` of classes."""
    import pandas as pd

    columns = {contract.added(name): of for name, of in answer_columns(answer, contract).items()}
    # at once: pandas slows down with each column of hundreds of classes that is added alone
    return pd.concat([frame, pd.DataFrame(columns, index=frame.index)], axis=1)


def main() -> None:
    """Write metrics, figures of card and groups, plots, the reference, rows to explain with."""
    contract, params = load_contract(), load_params()
    check_fixed(params.explain.fixed, contract)
    held_out = frame, x, y = _held_out(contract)
    models = {name: load_model(stored) for name, stored in ESTIMATORS.items()}
    answers = {name: model(x) for name, model in models.items()}
    answer = answers["model"]
    about = summary(y, answer, gate_metric(params.evaluate.metric, contract))
    _write_metrics(compare(answers, y, contract), about)
    write_json(FAIRNESS, fairness_report(frame, y, answer, contract, params.fairness))
    weights = importance(models["model"], x, y, contract, about["metric"])
    figures = {
        "summary": about,
        "slices": slices(frame, y, answer, contract, params.evaluate),
        **card_figures(held_out, answers, models["model"], contract, weights),
    }
    _write_evaluation(Evaluation(y, answer, contract, weights, figures["dependence"]), figures)
    _write_reference(reference(frame, answer, contract))
    write_pool(EXPLAIN_POOL, x, params.explain.rows)


def _held_out(contract: Contract) -> HeldOut:
    frame = read_table(TEST, contract)
    return HeldOut(frame, encode_frame(frame, Encoder(contract)), target_codes(frame, contract))


def _write_reference(answered: pd.DataFrame) -> None:
    with staged(REFERENCE) as draft:
        answered.to_parquet(draft, index=False)


def _write_evaluation(evaluation: Evaluation, figures: dict[str, Any]) -> None:
    write_json(CARD_FIGURES, figures)
    write_json(EVALUATION / "slices.json", figures["slices"])
    losses = {name: of.loss for name, of in evaluation.importance.items()}
    write_json(EVALUATION / "importance.json", losses)
    write_plots(EVALUATION, evaluation)


def _write_metrics(compared: dict[str, dict[str, float]], about: dict[str, Any]) -> None:
    for name, scores in compared.items():
        write_json(METRICS / f"{name}.json", scores)
    write_json(EVALUATION / "summary.json", about)
    print(format_summary(compared, about), flush=True)


if __name__ == "__main__":
    run_stage(main)

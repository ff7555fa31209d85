"""A card's subject with names that are markup, made by hand."""

from __future__ import annotations

from typing import Any

from ml.card.figures import Figures
from ml.card.sections import Subject
from ml.contract import Contract

HOSTILE = '<script>alert(1)</script> | `a` \n# "x"'
GROUPS = [{"rows": 50, "predicted": 0.2, "observed": 0.1, "low": 0.05, "high": 0.3}]
POINTS = [
    {"value": 1.0, "answer": 0.25, "low": 0.2, "high": 0.3},
    {"value": 2.0, "answer": 0.5, "low": 0.4, "high": 0.6},
]
LEVELS = [{**POINTS[0], "value": "<b>"}, {**POINTS[1], "value": "other"}]


def files() -> dict[str, Any]:
    """Measured files of a model with one hostile column."""
    ends = {"low": 0.70001, "high": 0.90002}
    return {
        "metrics/model.json": {"roc_auc": 0.8123456, "brier": 0.000012},
        "metrics/linear.json": {"roc_auc": 0.75},
        "metrics/baseline.json": {"roc_auc": 0.5},
        "metrics/candidates.json": {"chosen": "boosting"},
        "metrics/card.json": {
            "summary": {"metric": "roc_auc", "rows": 12345, "interval_95": ends},
            "slices": [
                {"column": HOSTILE, "level": True, "rows": 40, "roc_auc": 0.7, "interval_95": ends},
                {"column": "b", "level": "x", "rows": 40, "roc_auc": None, "interval_95": None},
            ],
            "data": {
                "rows": 61725,
                "training_rows": 49380,
                "held_out_rows": 12345,
                "without_outcome": 3,
                "files": 2,
                "missing": {HOSTILE: 0.125},
                "held_out_span": ["2025-01-01 00:00", "2025-02-01 00:00"],
            },
            "intervals": {
                "model": {"brier": [0.00001, 0.00002]},
                "linear": {"roc_auc": [0.7, 0.8]},
            },
            "calibration": {"error": 0.1, "groups": GROUPS},
            "importance": [{"column": HOSTILE, "loss": 0.2, "low": 0.1, "high": 0.3}],
            "dependence": [
                {"column": HOSTILE, "of": "yes", "points": POINTS},
                {"column": "b", "of": "yes", "points": LEVELS},
            ],
        },
    }


def subject(
    words: dict[str, str | None] | None = None, verdicts: dict[str, Any] | None = None
) -> Subject:
    """The subject; `verdicts` of the windows since its release."""
    contract = Contract.model_validate(
        {
            "target": {"name": "left", "task": "binary", "classes": ["no", "yes"]},
            "columns": [{"kind": "numeric", "name": "a"}],
        }
    )
    lineage = {"name": "churn", "version": "3", "git_commit": "0" * 40}
    since = {f"reports/monitoring/{name}/verdict.json": v for name, v in (verdicts or {}).items()}
    figures = Figures({**files(), **since})
    return Subject(figures, contract, lineage, words or {}, tuple(verdicts or ()))

"""What `dvc plots` shows: images of each task, and data files that are always there."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.contract import Contract, Target
from ml.pipeline import plots
from ml.pipeline.evaluation.importance import Importance

CLASSES = {"binary": ("no", "yes"), "multiclass": ("low", "middle", "high"), "regression": ()}
IMAGES = {
    "binary": {"importance.png", "confusion.png", "roc.png", "reliability.png"},
    "multiclass": {"importance.png", "confusion.png"},
    "regression": {"importance.png", "residuals.png"},
}
WEIGHTS = {"price $": Importance(0.2, 0.1, 0.3), "calls, day": Importance(0.1, 0.0, 0.2)}
LOSSES = {"price $": 0.2, "calls, day": 0.1}


def evaluated(task: str, contract: Contract, n: int = 3000) -> tuple[Any, Any, Contract]:
    """Truth, answers and contract of a task."""
    rng = np.random.default_rng(0)
    target = Target(name="left", task=task, classes=CLASSES[task])
    asked = contract.model_copy(update={"target": target})
    if task == "regression":
        value = rng.normal(size=n)
        return value, (value + rng.normal(size=n))[:, None], asked
    k = len(CLASSES[task])
    y = rng.integers(0, k, n)
    raw = rng.random((n, k)) + np.eye(k)[y] * 0.3
    return y, raw / raw.sum(axis=1, keepdims=True), asked


def points(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows."""
    header, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    return header, rows


@pytest.mark.parametrize("task", IMAGES)
def test_each_task_has_its_images(task: str, contract: Contract, tmp_path: Path) -> None:
    plots.write_plots(tmp_path, plots.Evaluation(*evaluated(task, contract), WEIGHTS))
    starts = {path.name: path.read_bytes()[:8] for path in (tmp_path / "images").iterdir()}
    assert starts.pop("dependence.svg").startswith(b"<svg ")
    assert set(starts) == IMAGES[task]
    assert set(starts.values()) == {b"\x89PNG\r\n\x1a\n"}


@pytest.mark.parametrize("task", IMAGES)
def test_each_data_file_is_there_and_empty_where_the_task_has_none(
    task: str, contract: Contract, tmp_path: Path
) -> None:
    plots.write_plots(tmp_path, plots.Evaluation(*evaluated(task, contract), WEIGHTS))
    header, rows = points(tmp_path / "importance.csv")
    assert header == ["column", "loss"]
    assert {name: float(loss) for name, loss in rows} == LOSSES
    header, rows = points(tmp_path / "roc.csv")
    assert header == ["false_positive_rate", "true_positive_rate"]
    assert bool(rows) is (task == "binary")
    header, rows = points(tmp_path / "residuals.csv")
    assert header == ["predicted", "residual"]
    assert len(rows) == (3000 if task == "regression" else 0)


def test_a_thinned_curve_keeps_its_area_and_its_ends(contract: Contract, tmp_path: Path) -> None:
    y, answer, asked = evaluated("binary", contract, 20_000)
    plots.write_plots(tmp_path, plots.Evaluation(y, answer, asked, WEIGHTS))
    _, rows = points(tmp_path / "roc.csv")
    x, above = np.array(rows, dtype=float).T
    assert len(rows) == plots.CURVE_POINTS
    assert (x[0], above[0], x[-1], above[-1]) == (0, 0, 1, 1)
    area = float(np.sum(np.diff(x) * (above[1:] + above[:-1]) / 2))
    assert area == pytest.approx(roc_auc_score(y, answer[:, 1]), abs=1e-3)


def test_groups_of_equal_size_and_the_share_that_came_true() -> None:
    positive = np.linspace(0, 1, 1000)
    predicted, observed = plots.reliability((positive > 0.5).astype(int), positive)
    assert len(predicted) == plots.BINS
    assert observed.tolist() == [0.0] * 5 + [1.0] * 5

"""Two public tables, from file to served model, compared with plain scikit-learn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rendered_project

pytestmark = pytest.mark.slow


def path_of(name: str) -> Path:
    found = rendered_project.real_table(name)
    if found is None:
        pytest.skip(
            f"{name} is not on this machine: put it in a folder and name that in REAL_TABLES"
        )
    return found


def lived(project: rendered_project.Project, *words: str) -> tuple[dict[str, Any], float, int, int]:
    """Adopt to serve: metrics, plain scikit-learn's score, training and held-out rows."""
    written = {"contract.yaml", "data/raw.dvc"}  # by adopt
    untouched = [name for name in project.git("ls-files").split() if name not in written]
    project.make("adopt", *words)
    project.make("flow")
    project.commit()
    project.make("release")
    assert project.git("diff", "--name-only", "HEAD~1", "--", *untouched) == ""
    assert project.registry()["aliases"]["champion"] == "1"
    rows, _ = project.rows("data/test.parquet", 50)
    with project.served() as url:
        status, answers = rendered_project.ask(f"{url}/predict", rows)
        assert status == 200
        assert len(answers) == len(rows)
        assert rendered_project.ask(f"{url}/model")[1]["lineage"]["git_commit"] == project.git(
            "rev-parse", "HEAD"
        )
    beside = rendered_project.Project(project.path, project.env | {"PYTHONPATH": str(project.path)})
    plain, train, test = json.loads(
        beside.python(str(Path(__file__).with_name("plain_boosting.py")))
    )
    lightgbm = json.loads(beside.python("-m", "benchmarks.boosters", "--json"))
    assert lightgbm["interval"][1] >= 0, lightgbm  # as good as boosting, or better
    return project.json("metrics/model.json"), plain, train, test


def test_telco_churn(fresh: rendered_project.Project, figure: Callable[[str], None]) -> None:
    table = path_of("telco_churn.csv")
    metrics, plain, train, test = lived(fresh, f"DATA={table}", "TARGET=Churn")
    figure(
        f"telco churn: ROC AUC {metrics['roc_auc']:.3f}, plain boosting {plain:.3f} "
        f"({train}+{test} rows)"
    )
    assert test == pytest.approx(0.2 * (train + test), rel=0.1)
    assert metrics["roc_auc"] >= 0.83
    contract = (fresh.path / "contract.yaml").read_text(encoding="utf-8")
    assert "id: customerID" in contract


@pytest.mark.parametrize("time", ["dteday", ""], ids=["by time", "random"])
def test_bike_sharing(
    fresh: rendered_project.Project, figure: Callable[[str], None], time: str
) -> None:
    table = path_of("bike_sharing_hourly.csv")
    words = [
        f"DATA={table}",
        "TARGET=cnt",
        "DROP=instant,casual,registered",
        *([f"TIME={time}"] if time else []),
    ]
    metrics, plain, train, test = lived(fresh, *words)
    kind = "by time" if time else "random"
    figure(
        f"bike sharing, {kind}: R² {metrics['r2']:.3f}, plain boosting {plain:.3f} "
        f"({train}+{test} rows)"
    )
    assert test == pytest.approx(0.2 * (train + test), rel=0.1)
    assert metrics["r2"] >= plain - 0.05

"""Two public tables, from file to served model with no file edited, beside plain scikit-learn on the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import living
import pytest

pytestmark = pytest.mark.slow


def path_of(name: str) -> Path:
    found = living.real_table(name)
    if found is None:
        pytest.skip(
            f"{name} is not on this machine: put it in a folder and name that in REAL_TABLES"
        )
    return found


def lived(project: living.Project, *words: str) -> tuple[dict[str, Any], float, int, int]:
    """Adopt, run, release, serve: metrics, plain scikit-learn's score, training and held-out rows."""
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
        status, answers = living.ask(f"{url}/predict", rows)
        assert status == 200
        assert len(answers) == len(rows)
        assert living.ask(f"{url}/model")[1]["lineage"]["git_commit"] == project.git(
            "rev-parse", "HEAD"
        )
    beside = living.Project(project.path, project.env | {"PYTHONPATH": str(project.path)})
    plain, train, test = json.loads(
        beside.python(str(Path(__file__).with_name("plain_boosting.py")))
    )
    return project.json("metrics/model.json"), plain, train, test


def test_telco_churn(fresh: living.Project, figures: list[str]) -> None:
    table = path_of("telco_churn.csv")
    metrics, plain, train, test = lived(fresh, f"DATA={table}", "TARGET=Churn")
    figures.append(
        f"telco churn: ROC AUC {metrics['roc_auc']:.3f}, plain boosting {plain:.3f} ({train}+{test} rows)"
    )
    assert test == pytest.approx(0.2 * (train + test), rel=0.1)
    assert metrics["roc_auc"] >= 0.83
    contract = (fresh.path / "contract.yaml").read_text(encoding="utf-8")
    assert "id: customerID" in contract


@pytest.mark.parametrize("time", ["dteday", ""], ids=["by time", "random"])
def test_bike_sharing(fresh: living.Project, figures: list[str], time: str) -> None:
    table = path_of("bike_sharing_hourly.csv")
    words = [
        f"DATA={table}",
        "TARGET=cnt",
        "DROP=instant,casual,registered",
        *([f"TIME={time}"] if time else []),
    ]
    metrics, plain, train, test = lived(fresh, *words)
    kind = "by time" if time else "random"
    figures.append(
        f"bike sharing, {kind}: R² {metrics['r2']:.3f}, plain boosting {plain:.3f} ({train}+{test} rows)"
    )
    assert test == pytest.approx(0.2 * (train + test), rel=0.1)
    assert metrics["r2"] >= plain - 0.05

"""A model's life in one generated project, in the order of the README."""

from __future__ import annotations

import json
import math
import random
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import rendered_project

import demo

pytestmark = pytest.mark.slow

README = demo.TEMPLATE / "{{cookiecutter.project_slug}}" / "README.md"
STAGES = ("ingest", "validate", "split", "train", "evaluate", "export")


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, home: dict[str, str]
) -> rendered_project.Project:
    """The README's first block up to the service: set up, trained, committed, released."""
    made = rendered_project.born(tmp_path_factory.mktemp("life"), rendered_project.identity(home))
    *commands, last = rendered_project.block(README, 0)
    assert last == "make serve"
    for command in commands:
        made.sh(command)
    return made


@pytest.fixture
def url(project: rendered_project.Project) -> Iterator[str]:
    with project.served() as address:
        yield address


def test_flow_leaves_what_git_needs_and_nothing_else(project: rendered_project.Project) -> None:
    # the release after it began the ledger, which the next commit takes
    assert project.git("status", "--porcelain") == "?? ledger.jsonl"
    assert set(project.git("ls-files").split()) >= {"contract.yaml", "data/raw.dvc", "dvc.lock"}
    big = [
        line
        for line in project.git("ls-files").split()
        if (project.path / line).stat().st_size > 1_000_000
    ]
    assert big == []


def test_second_flow_runs_nothing(project: rendered_project.Project) -> None:
    before = (project.path / "dvc.lock").read_bytes()
    said = project.make("flow")
    assert [
        stage for stage in STAGES if f"Stage '{stage}' didn't change, skipping" not in said
    ] == []
    assert "Running stage" not in said
    assert json.loads(project.python("-m", "dvc", "status", "--json")) == {}
    assert (project.path / "dvc.lock").read_bytes() == before


def test_a_changed_parameter_reruns_what_depends_on_it(project: rendered_project.Project) -> None:
    project.edit("params.yaml", "slices: 8", "slices: 3")
    try:
        stale = json.loads(project.python("-m", "dvc", "status", "--json"))
        assert "evaluate" in stale
        assert not {"ingest", "validate", "split", "train"} & set(stale)
        assert "evaluate.slices" in project.python("-m", "dvc", "params", "diff")
        assert "Running stage 'evaluate'" in project.refused("stale")
        assert "older than" in project.refused("release")
    finally:
        project.git("checkout", "params.yaml")
    project.make("stale")


def test_first_release_is_the_champion_with_its_lineage(project: rendered_project.Project) -> None:
    told = project.registry()
    assert told["names"] == ["churn-early-warning"]
    assert told["versions"] == [1]
    assert told["aliases"]["champion"] == "1"
    assert told["metrics"]["roc_auc"] > 0.7
    assert told["inputs"]
    lineage = project.json("serving/champion/lineage.json")
    assert (lineage["version"], lineage["git_dirty"]) == ("1", False)
    assert lineage["git_commit"] == project.git("rev-parse", "HEAD")
    assert (project.path / "serving/champion").resolve() == project.path / "serving/releases/1"


def test_second_release_adds_nothing(project: rendered_project.Project) -> None:
    before = project.registry()
    project.make("release")
    assert project.registry() == before
    assert [p.name for p in (project.path / "serving/releases").iterdir() if p.name.isdigit()] == [
        "1"
    ]


def test_a_prediction_is_right_and_in_the_journal(
    project: rendered_project.Project, url: str
) -> None:
    golden = project.json("serving/champion/golden.json")
    status, answer = rendered_project.ask(f"{url}/predict", golden["rows"][0])
    assert status == 200
    assert answer["model_version"] == "1"
    assert list(answer["probabilities"].values()) == pytest.approx(golden["answers"][0], abs=1e-6)
    (kept,) = [p for p in project.journal() if p["prediction_id"] == answer["prediction_id"]]
    assert kept["version"] == "1"
    assert kept["prediction"] == answer["prediction"]
    _, told = rendered_project.ask(f"{url}/model")
    assert (
        told["lineage"]["mlflow_run"] == project.json("serving/champion/lineage.json")["mlflow_run"]
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"age": "old"}, ["age", "old"]),
        ({"age": math.nan}, ["age"]),
        ({"monthly_fee": 1e999}, ["monthly_fee"]),
        ({"colour": "red"}, ["colour"]),
        ({"plan": "platinum"}, ["plan", "platinum", "basic"]),
        ({"annual_contract": "yes"}, ["annual_contract"]),
    ],
)
def test_a_row_that_breaks_the_contract_is_refused_by_name(
    project: rendered_project.Project, url: str, change: dict[str, object], named: list[str]
) -> None:
    row = project.json("serving/champion/golden.json")["rows"][0]
    recorded = len(project.journal())
    status, answer = rendered_project.ask(f"{url}/predict", row | change)
    assert status == 422
    (detail,) = answer["detail"]
    assert set(detail) == {"type", "loc", "msg"}
    assert [word for word in named if word not in detail["msg"]] == []
    assert len(project.journal()) == recorded


def test_the_loop_with_labels(project: rendered_project.Project) -> None:
    """The README's second block: outcomes, verdict, retraining, a second champion, and back."""
    rows, outcomes = project.rows("data/test.parquet", 600)
    with project.served() as url:
        status, answers = rendered_project.ask(f"{url}/predict", rows)
        assert status == 200
    lines = [f"{a['prediction_id']},{o}" for a, o in zip(answers, outcomes, strict=True)]
    (project.path / "labels.csv").write_text("\n".join(["prediction_id,outcome", *lines]) + "\n")
    # the second one must get in, to be rolled back: it is trained on the same kind of rows
    project.edit("params.yaml", "min_gain: 0.0 ", "min_gain: null ")
    project.edit("params.yaml", "max_slice_loss: 0.0 ", "max_slice_loss: null ")
    trained_on = project.json("reports/ingest.json")["rows"]
    data = (project.path / "data/raw.dvc").read_text()
    label, monitor, retrain, rollback = rendered_project.block(README, 1)

    project.sh(label)
    labelled = [p for p in project.journal() if p["outcome"] is not None]
    assert len(labelled) == len(rows)

    project.sh(monitor)
    (verdict,) = [
        json.loads(path.read_text())
        for path in project.path.glob("reports/monitoring/*/verdict.json")
    ]
    assert verdict["rows"] >= len(rows)
    assert verdict["verdict"] == "ok"
    report = written(project.path / "reports/monitoring" / verdict["window"] / "report.json")
    assert "monthly_fee" in json.dumps(json.loads(report.read_text(encoding="utf-8"))["metrics"])
    assert "monthly_fee" in report.with_suffix(".html").read_text(encoding="utf-8")

    project.sh(retrain)
    assert project.json("reports/ingest.json")["rows"] == trained_on + len(rows)
    assert (project.path / "data/raw.dvc").read_text() != data
    told = project.registry()
    assert told["versions"] == [1, 2]
    assert told["aliases"] == {"champion": "2", "previous": "1"}
    with project.served() as url:
        assert rendered_project.ask(f"{url}/predict", rows[0])[1]["model_version"] == "2"

    project.sh(rollback)
    assert project.registry()["aliases"]["champion"] == "1"
    with project.served() as url:
        assert rendered_project.ask(f"{url}/predict", rows[0])[1]["model_version"] == "1"


def written(page: Path) -> Path:
    """The page, which a child process of the monitor writes after the verdict."""
    deadline = time.monotonic() + 120
    while not page.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return page


def test_the_monitor_sees_traffic_that_moved(project: rendered_project.Project) -> None:
    rows, _ = project.rows("data/test.parquet", 600)
    elsewhere = rendered_project.Project(
        project.path, project.env | {"JOURNAL_URL": "sqlite:///serving/moved.db"}
    )
    with elsewhere.served() as url:
        moved = [
            row | {"monthly_fee": row["monthly_fee"] * 3 if row["monthly_fee"] else None}
            for row in rows
        ]
        assert rendered_project.ask(f"{url}/predict", moved)[0] == 200
    done = elsewhere.run(".venv/bin/python", "-m", "ml", "monitor")
    assert done.returncode == 3, done.stdout
    assert "monthly_fee" in done.stdout


def test_checks_tests_and_stale_leave_git_status_clean(project: rendered_project.Project) -> None:
    """The README's third block, which is also what the workflow runs."""
    project.commit("lived")
    for command in rendered_project.block(README, 2):
        project.sh(command)
    assert project.git("status", "--porcelain") == ""


def test_a_clone_gets_data_and_models_from_the_remote(project: rendered_project.Project) -> None:
    project.git("checkout", "--", ".")
    project.python("-m", "dvc", "push", "--quiet")
    store = (project.path / "../dvc-storage").resolve()
    assert list(store.rglob("*"))
    clone = rendered_project.Project(project.path.parent / "clone", project.env)
    subprocess.run(["git", "clone", "--quiet", project.path, clone.path], check=True)
    (clone.path / ".venv").symlink_to(demo.VENV)
    clone.make("stale")  # before any data is there: what a CI run without credentials does
    assert not (clone.path / "data/raw").exists()
    clone.edit("ml/model.py", "ONE_HOT_LEVELS = 40", "ONE_HOT_LEVELS = 41")
    clone.refused("stale")
    clone.git("checkout", "ml/model.py")
    clone.python("-m", "dvc", "pull", "--quiet")
    assert json.loads(clone.python("-m", "dvc", "status", "--json")) == {}
    assert (clone.path / "bundle/model.onnx").read_bytes() == (
        project.path / "bundle/model.onnx"
    ).read_bytes()
    assert clone.git("status", "--porcelain") == ""


def test_the_journal_is_plain_sqlite(project: rendered_project.Project) -> None:
    with closing(sqlite3.connect(project.path / "serving/journal.db")) as journal:
        (answers,) = journal.execute("select sum(rows) from predictions").fetchone()
        (labels,) = journal.execute("select count(*) from labels").fetchone()
    assert answers >= labels == 600


def test_an_own_table_takes_the_place_of_the_demo_and_nothing_of_it_remains(
    project: rendered_project.Project,
) -> None:
    """Last, because it removes the demo's releases, reports and journal."""
    draw = random.Random(1)  # noqa: S311 - a table, not a secret
    ages = [draw.randint(18, 80) for _ in range(400)]
    lines = [
        f"{age},{draw.choice('ab')},{'yes' if age + draw.randint(-9, 9) > 50 else 'no'}"
        for age in ages
    ]
    (project.path / "people.csv").write_text("\n".join(["age,plan,left", *lines]) + "\n")
    said = project.make("adopt", "DATA=people.csv", "TARGET=left")
    assert "CONTRACT=" not in said
    assert "would change" not in said
    kept = {"ml", "tests", "docs", "deploy", "benchmarks", "requirements"}
    files = (p.relative_to(project.path) for p in project.path.rglob("*") if p.is_file())
    made = {
        p.as_posix() for p in files if p.parts[0] not in kept and not p.parts[0].startswith(".")
    }
    here = {
        "README.md",
        "SECURITY.md",
        "Makefile",
        "Dockerfile",
        "params.yaml",
        "dvc.yaml",
        "recipe.yaml",
        "pyproject.toml",
        "labels.csv",
        "people.csv",
        "reports/tests.xml",  # of `make test`, of no table
    }
    assert made - here == {"contract.yaml", "data/raw.dvc", "data/raw/0001-people.csv"}
    project.make("flow")
    assert project.json("reports/ingest.json")["rows"] == len(lines)
    project.make("release")  # no champion of the demo is in its way
    assert project.registry()["versions"] == [1]

"""Release, rollback, pull, retrain in a project of its own; the real registry is asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from ml.errors import UserError
from ml.ledger import chain
from ml.pipeline.artifacts import TRAINED_ROWS
from ml.release import publish, registry, runs
from ml.release.commands import pull, release, rollback
from tests.conftest import command, live_in, ml

pytestmark = pytest.mark.slow


def client(project: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project}/mlflow.db")


def decisions() -> list[tuple[str, str | None, str | None]]:
    """Action, from and to of each line of the ledger."""
    return [(e.action, e.from_version, e.to_version) for e in chain.check(chain.read())]


def state(project: Path) -> dict[str, Any]:
    """What the registry and the folder say."""
    asked = client(project)
    versions = asked.search_model_versions("name = 'life'")
    experiment = asked.get_experiment_by_name("life")
    return {
        "versions": sorted(int(v.version) for v in versions),
        "runs": len(asked.search_runs([experiment.experiment_id])),
        "champion": registry.alias(asked, "life", "champion"),
        "previous": registry.alias(asked, "life", "previous"),
        "served": json.loads((project / "serving/champion/lineage.json").read_text())["version"],
    }


@pytest.fixture
def retrained(retrained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project with a new bundle that is as good as the champion or better."""
    return live_in(retrained_project, tmp_path / "project", monkeypatch)


@pytest.fixture
def worsened(worsened_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project with a new bundle that is worse than the champion."""
    return live_in(worsened_project, tmp_path / "project", monkeypatch)


FIRST = {"versions": [1], "runs": 1, "champion": "1", "previous": None, "served": "1"}


def test_the_first_release(project: Path) -> None:
    assert state(project) == FIRST
    lineage = json.loads((project / "serving/champion/lineage.json").read_text())
    run = client(project).get_run(lineage["mlflow_run"])
    assert run.data.params["train.model"] == "boosting"
    assert run.data.metrics["roc_auc"] > run.data.metrics["baseline_roc_auc"] + 0.2
    assert run.inputs.dataset_inputs[0].dataset.digest == lineage["data"]
    assert lineage["data"].endswith(".dir")
    assert lineage["git_commit"] == command(project, "git", "rev-parse", "HEAD").stdout.strip()
    assert lineage["git_dirty"] is True


def test_twice_adds_nothing(project: Path) -> None:
    assert release().passed
    assert state(project) == FIRST


def test_the_manifest_holds_every_file(project: Path) -> None:
    champion = project / "serving/champion"
    manifest = json.loads((champion / "manifest.json").read_text())
    beside = {publish.REFERENCE, TRAINED_ROWS.name}
    assert set(manifest["beside"]) == beside
    assert set(manifest["files"]) == {p.name for p in champion.iterdir()} - {
        "manifest.json",
        *beside,
    }


def test_a_better_model_is_promoted_then_rolled_back(retrained: Path) -> None:
    assert release().passed
    promoted = {"versions": [1, 2], "runs": 2, "champion": "2", "previous": "1", "served": "2"}
    assert state(retrained) == promoted
    assert rollback() == "1"
    assert state(retrained) == {**promoted, "champion": "1", "previous": "2", "served": "1"}
    refused = release()  # the same bundle does not come back by itself
    assert not refused.passed
    assert "was rolled back" in refused.reason
    assert rollback() == "2"
    assert state(retrained) == promoted


def test_a_worse_model_is_registered_and_not_promoted(worsened: Path) -> None:
    done = ml(worsened, "release", ok=False)
    assert done.returncode == 3
    assert state(worsened) == {
        "versions": [1, 2],
        "runs": 2,
        "champion": "1",
        "previous": None,
        "served": "1",
    }
    tags = client(worsened).get_model_version("life", "2").tags
    assert tags["gate"] == "refused"
    assert "not worse than the champion" in tags["gate_reason"]


@pytest.mark.parametrize(
    ("module", "step"), [(registry, "register"), (runs, "log_run"), (registry, "move_aliases")]
)
def test_stopped_anywhere_and_run_again(
    retrained: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str
) -> None:
    real: Callable[..., Any] = getattr(module, step)

    def stop_after(*args: Any) -> Any:
        real(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, step, stop_after)
    with pytest.raises(KeyboardInterrupt):
        release()
    monkeypatch.setattr(module, step, real)
    assert release().passed
    assert state(retrained) == {
        "versions": [1, 2],
        "runs": 2,
        "champion": "2",
        "previous": "1",
        "served": "2",
    }


def test_stopped_between_sealing_and_upload(
    retrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(
            MlflowClient, "log_artifacts", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            release()
    assert release().passed
    shutil.rmtree(retrained / "serving/releases/2")
    assert pull() == "2"
    assert (retrained / "serving/champion/model.onnx").is_file()


def test_a_stale_bundle_is_refused(project: Path) -> None:
    path = project / "params.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("test_share: 0.2", "test_share: 0.3"),
        encoding="utf-8",
    )
    with pytest.raises(UserError, match="older than the data") as error:
        release()
    assert error.value.then == "make flow"
    assert state(project) == FIRST


def test_nothing_to_roll_back_to(project: Path) -> None:
    with pytest.raises(UserError, match="no previous champion"):
        rollback()
    assert state(project) == FIRST


def test_pull_on_a_machine_that_only_serves(project: Path) -> None:
    shutil.rmtree(project / "serving")
    assert pull() == "1"
    assert state(project) == FIRST

"""MLflow's runs: parameters, metrics, data and trials of the bundle that a release registers.

A call that was killed can be repeated: a run is found again by the bundle's hash.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ml.release.registry import HASH
from ml.release.relocate import ARTIFACTS

if TYPE_CHECKING:
    from mlflow.entities import RunInfo
    from mlflow.tracking import MlflowClient


def experiment(client: MlflowClient, name: str) -> str:
    """The experiment's id, made on the first call."""
    existing = client.get_experiment_by_name(name)
    if existing:
        return str(existing.experiment_id)
    return str(client.create_experiment(name, _artifact_location()))


def _artifact_location() -> str | None:
    """Where a new experiment keeps its files; None where a server decides."""
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    is_server = "://" in address and "sqlite" not in address
    return None if is_server else ARTIFACTS.absolute().as_uri()


def find_run(client: MlflowClient, experiment_id: str, bundle_hash: str) -> str | None:
    """The run that logged this bundle."""
    runs = client.search_runs([experiment_id], f"tags.{HASH} = '{bundle_hash}'", max_results=1)
    return str(runs[0].info.run_id) if runs else None


def log_run(
    client: MlflowClient, experiment_id: str, about: dict[str, Any], bundle_hash: str, name: str
) -> str:
    """Start (or find again) a bundle's run; log parameters, metrics and the data it came from."""
    import mlflow

    run_id = find_run(client, experiment_id, bundle_hash)
    title, tags = f"{name}-{bundle_hash[:8]}", _run_tags(bundle_hash, about["lineage"])
    with mlflow.start_run(run_id, experiment_id, run_name=title, tags=tags) as run:
        _log_into_active_run(about)
        _log_trials(client, experiment_id, str(run.info.run_id), about["trials"])
        return str(run.info.run_id)


def _log_into_active_run(about: dict[str, Any]) -> None:
    import mlflow

    mlflow.log_params(about["lineage"]["params"])
    mlflow.log_metrics(about["metrics"])
    _log_data(about["lineage"]["data"])
    for folder in about["folders"]:
        mlflow.log_artifacts(str(folder), folder.name)


def _run_tags(bundle_hash: str, lineage: dict[str, Any]) -> dict[str, str]:
    """Given with the run's creation: killed after it, the run is found again."""
    return {
        HASH: bundle_hash,
        "git_commit": lineage["git_commit"] or "none",
        "git_dirty": str(lineage["git_dirty"]).lower(),
        "dvc_lock": lineage["dvc_lock"],
    }


def _log_data(digest: str) -> None:
    """Name DVC's version of the raw data as the run's training data."""
    import mlflow
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.data.sources import LocalArtifactDatasetSource

    source = LocalArtifactDatasetSource("data/raw")
    mlflow.log_input(MetaDataset(source, name="data/raw", digest=digest), context="training")


def _log_trials(
    client: MlflowClient, experiment_id: str, run_id: str, trials: list[dict[str, Any]]
) -> None:
    """The search's trials as child runs; those that an earlier call finished stay as they are."""
    children = _children(client, experiment_id, run_id)
    for i, trial in enumerate(trials):
        child = children.get(str(i))
        if not child or child.status != "FINISHED":
            _log_trial(child.run_id if child else None, experiment_id, i, trial)


def _children(client: MlflowClient, experiment_id: str, run_id: str) -> dict[str | None, RunInfo]:
    """A run's child runs by the number of their trial."""
    runs = client.search_runs([experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    return {run.data.tags.get("trial"): run.info for run in runs}


def _log_trial(run_id: str | None, experiment_id: str, number: int, trial: dict[str, Any]) -> None:
    import mlflow

    with mlflow.start_run(
        run_id, experiment_id, run_name=f"trial-{number}", nested=True, tags={"trial": str(number)}
    ):
        mlflow.log_params(trial["settings"])
        mlflow.log_metrics({name: trial[name] for name in ("score", "rows", "round")})

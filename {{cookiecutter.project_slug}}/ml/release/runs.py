"""MLflow's runs: parameters, metrics, data and trials of the bundle that a release registers.

A call that was killed can be repeated: a run is found again by the bundle's hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.pipeline.tracking import SearchRun
from ml.release.registry import HASH

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


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
        _log_trials(client, experiment_id, str(run.info.run_id), about["searched"])
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
    client: MlflowClient, experiment_id: str, run_id: str, searched: dict[str, Any]
) -> None:
    """The search's trials: those that the stage has logged while it ran stay as they are."""
    if not searched["trials"]:
        return
    search = SearchRun(client, experiment_id, searched["digest"])
    for number, trial in enumerate(searched["trials"]):
        search.add(number, trial)
    search.end()
    search.belongs_to(run_id)

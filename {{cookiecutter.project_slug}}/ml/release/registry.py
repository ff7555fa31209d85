"""The MLflow side of a release: runs, registered versions, the aliases `champion` and `previous`.

Everything here can be killed and repeated: a run and a version are found again by the bundle's hash.
"""

from __future__ import annotations

import logging
import os
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

HASH = "bundle_hash"  # tag of runs and versions
SEALED = "sealed"  # tag of a version whose artifacts are complete
ROLLED_BACK = "rolled_back"  # tag of a version that was taken out of service


def connect() -> MlflowClient:
    """A client on MLFLOW_TRACKING_URI, by default sqlite:///mlflow.db beside the project; files under mlartifacts/."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")  # its migrations and warnings are no news to a person
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import mlflow
    from mlflow.tracking import MlflowClient

    given = os.environ.get("MLFLOW_TRACKING_URI")
    # absolute, because MLflow keeps one connection for each address, wherever the process has moved since
    mlflow.set_tracking_uri(given or f"sqlite:///{Path('mlflow.db').absolute()}")
    if not given:  # MLflow writes the address there too: the next call, from another project's folder, must not find it
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    return MlflowClient()


def experiment(client: MlflowClient, name: str) -> str:
    """The experiment's id, made on the first call."""
    found = client.get_experiment_by_name(name)
    if found:
        return str(found.experiment_id)
    remote = "://" in os.environ.get("MLFLOW_TRACKING_URI", "") and "sqlite" not in os.environ["MLFLOW_TRACKING_URI"]
    return str(client.create_experiment(name, None if remote else Path("mlartifacts").absolute().as_uri()))


def find_run(client: MlflowClient, experiment_id: str, bundle_hash: str) -> str | None:
    """The run that logged this bundle."""
    runs = client.search_runs([experiment_id], f"tags.{HASH} = '{bundle_hash}'", max_results=1)
    return str(runs[0].info.run_id) if runs else None


def find_version(client: MlflowClient, name: str, bundle_hash: str) -> ModelVersion | None:
    """The registered version of this bundle."""
    found = client.search_model_versions(f"name = '{name}'")
    return next((v for v in found if v.tags.get(HASH) == bundle_hash), None)


def alias(client: MlflowClient, name: str, word: str) -> str | None:
    """The version that an alias names, None where there is no such alias or model."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, word).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def promote(client: MlflowClient, name: str, version: str) -> None:
    """Make a version the champion, the present one `previous` first: the two writes are no transaction."""
    champion = alias(client, name, "champion")
    if champion and champion != version:
        client.set_registered_model_alias(name, "previous", champion)
    client.set_registered_model_alias(name, "champion", version)
    client.delete_model_version_tag(name, version, ROLLED_BACK)


def log_run(client: MlflowClient, experiment_id: str, about: dict[str, Any], bundle_hash: str, name: str) -> str:
    """Start (or find again) the run of a bundle and log parameters, metrics and the data it came from."""
    import mlflow
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.data.sources import LocalArtifactDatasetSource

    run_id = find_run(client, experiment_id, bundle_hash)
    lineage = about["lineage"]
    with mlflow.start_run(run_id=run_id, experiment_id=experiment_id, run_name=f"{name}-{bundle_hash[:8]}") as run:
        mlflow.set_tags({HASH: bundle_hash, "git_commit": lineage["git_commit"] or "none"})
        mlflow.set_tags({"git_dirty": str(lineage["git_dirty"]).lower(), "dvc_lock": lineage["dvc_lock"]})
        mlflow.log_params(lineage["params"])
        mlflow.log_metrics(about["metrics"])
        source = LocalArtifactDatasetSource("data/raw")
        mlflow.log_input(MetaDataset(source, name="data/raw", digest=lineage["data"]), context="training")
        for folder in about["folders"]:
            mlflow.log_artifacts(str(folder), folder.name)
        _log_trials(client, experiment_id, str(run.info.run_id), about["trials"])
        return str(run.info.run_id)


def _log_trials(client: MlflowClient, experiment_id: str, run_id: str, trials: list[dict[str, Any]]) -> None:
    """The search's trials as child runs; those that an earlier call logged are left as they are."""
    import mlflow

    children = client.search_runs([experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    logged = {child.data.tags.get("trial") for child in children if child.info.status == "FINISHED"}
    for i, trial in enumerate(trials):
        if str(i) not in logged:
            with mlflow.start_run(
                experiment_id=experiment_id, run_name=f"trial-{i}", nested=True, tags={"trial": str(i)}
            ):
                mlflow.log_params(trial["settings"])
                mlflow.log_metrics({name: trial[name] for name in ("score", "rows", "round")})


def register(client: MlflowClient, name: str, run_id: str, model: Path, contract: Any, bundle_hash: str) -> str:
    """Log the ONNX model in MLflow's own flavour and register it; the version as text."""
    import mlflow
    import onnx
    from mlflow.exceptions import MlflowException

    with mlflow.start_run(run_id=run_id):
        logged = mlflow.onnx.log_model(
            onnx.load(model),
            name="model",
            signature=_signature(contract),
            onnx_execution_providers=["CPUExecutionProvider"],
            pip_requirements=[f"{package}=={installed(package)}" for package in ("numpy", "onnx", "onnxruntime")],
        )
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(name, logged.model_uri, run_id, tags={HASH: bundle_hash})
    return str(made.version)


def _signature(contract: Any) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    from ml.encode import features

    inputs = Schema([TensorSpec(np.dtype("float32"), (-1, len(features(contract))), "x")])
    classes = contract.target.classes
    outputs = TensorSpec(np.dtype("float32"), (-1, len(classes) or 1), "probabilities" if classes else "value")
    return ModelSignature(inputs, Schema([outputs]))


def download(client: MlflowClient, name: str, version: str, into: Path) -> None:
    """Fetch the sealed bundle that a version's run holds into an empty folder."""
    import shutil
    import tempfile

    run_id = client.get_model_version(name, version).run_id
    with tempfile.TemporaryDirectory() as scratch:
        found = client.download_artifacts(run_id, "bundle", scratch)
        if not Path(found).is_dir():
            raise UserError(f"registry: version {version} of {name} has no bundle", "make flow release")
        shutil.copytree(found, into)

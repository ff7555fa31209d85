"""The bundle of the pipeline as a registered, sealed version of the model.

Reads: bundle/, data/reference.parquet, models/trained_rows.npy, reports/, dvc.lock, params.yaml.
Writes: an MLflow run, a registered version with the sealed bundle, serving/releases/<version>/. A
bundle is registered once: its version is found again by the bundle's hash.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ml.bundle import ABOUT_FILE, MODEL_FILE
from ml.clock import moment
from ml.contract import load_contract
from ml.errors import UserError
from ml.pipeline import tracking
from ml.pipeline.artifacts import BUNDLE, EVALUATION, REFERENCE, TRAINED_ROWS, TRIALS
from ml.release import card, publish, registry, runs
from ml.release.bom import write as bom
from ml.release.lineage import folder_hash, git_note, lineage
from ml.release.promotion import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.tracking import MlflowClient

    from ml.progress import NextStep


BESIDE = (REFERENCE, TRAINED_ROWS)  # for monitor, gate and loop


def refuse_stale() -> None:
    """Refuse a bundle that DVC would make anew: the lineage of its release would be wrong.

    Raises:
        UserError: there is no bundle, it is stale, or DVC cannot say whether it is.
    """
    if not (BUNDLE / MODEL_FILE).is_file():
        raise UserError("bundle/: there is no model yet", "make flow")
    status = _dvc_status()
    if status == 1:
        raise UserError(
            "bundle/: older than the data, the code or params.yaml (see `dvc status`)", "make flow"
        )
    if status:
        raise UserError(
            f"`dvc status` stopped with status {status}: "
            "it cannot be said whether bundle/ is up to date",
            "python -m dvc status says why; mend that, then make release",
        )


def _dvc_status() -> int:
    """0: every stage is up to date, 1: one is not; anything else: DVC failed."""
    status = [sys.executable, "-m", "dvc", "status", "-q"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(status, stdout=quiet, stderr=quiet) as asked:
        tracking.import_library()  # it takes as long as DVC's look: both go on at once
        return asked.wait()


def register_bundle(client: MlflowClient, name: str, next_step: NextStep) -> str:
    """The version of the bundle: the one that has its hash, or a new one.

    Args:
        client: of the registry.
        name: of the registered model.
        next_step: is told the name of each.
    """
    bundle_hash = folder_hash(BUNDLE)
    registered = registry.find_version(client, name, bundle_hash)
    if registered and registered.tags.get(registry.SEALED):
        version = str(registered.version)
        _renew_card(client, name, version, fetch(client, name, version))
        return version
    next_step("logging the run")
    origin = lineage()
    _print_note(origin)
    run_id = _log_run(client, name, origin, bundle_hash)
    next_step("registering the version")
    version = (
        str(registered.version) if registered else _register(client, name, run_id, bundle_hash)
    )
    released = {"name": name, "version": version, "mlflow_run": run_id, "bundle_hash": bundle_hash}
    _seal(client, {**released, **origin})
    return version


def _print_note(origin: dict[str, Any]) -> None:
    if note := git_note(origin):
        Console(stderr=True, soft_wrap=True).print(f"[yellow]note:[/] {note}", highlight=False)


def _log_run(client: MlflowClient, name: str, origin: dict[str, Any], bundle_hash: str) -> str:
    about = {
        "lineage": origin,
        "metrics": _metrics(about_bundle()),
        "folders": [EVALUATION],
        "searched": json.loads(TRIALS.read_text()),
    }
    return runs.log_run(client, tracking.experiment(client, name), about, bundle_hash, name)


def about_bundle() -> dict[str, Any]:
    """The bundle's model.json."""
    return dict(json.loads((BUNDLE / ABOUT_FILE).read_text(encoding="utf-8")))


def _metrics(about: dict[str, Any]) -> dict[str, float]:
    comparison = about["comparison"]
    kinds = {f"cross_validated_{kind}": c["score"] for kind, c in comparison["candidates"].items()}
    windows = {f"held_out_newest_{n}": score for n, score in comparison["windows"].items()}
    baseline = {f"baseline_{name}": value for name, value in about["baseline"].items()}
    return {**about["metrics"], **baseline, **kinds, **windows}


def _register(client: MlflowClient, name: str, run_id: str, bundle_hash: str) -> str:
    model = BUNDLE / MODEL_FILE
    return registry.register(client, name, run_id, model, load_contract(), bundle_hash)


def _renew_card(client: MlflowClient, name: str, version: str, folder: Path) -> None:
    """Write the card anew where people have written more since, unless the version has served."""
    served = [registry.alias(client, name, alias) for alias in ("champion", "previous")]
    if version in served or not card.is_outdated(folder):
        return
    origin = publish.lineage_of(version)
    draft = publish.seal_again(version, lambda draft: _describe(draft, origin))
    _upload(client, origin, draft)
    publish.replace_release(version)


def _seal(client: MlflowClient, released: dict[str, Any]) -> None:
    """Publish the release's folder and upload it; the version's tag says that both are done."""
    version = released["version"]
    released_at = moment().isoformat(timespec="seconds")
    # a seal without its registration is a draft
    shutil.rmtree(publish.release_folder(version), ignore_errors=True)
    described = {**released, "released_at": released_at}
    folder = publish.seal(BUNDLE, BESIDE, described, lambda draft: _describe(draft, described))
    _upload(client, described, folder)
    client.set_model_version_tag(released["name"], version, registry.SEALED, "true")


def _describe(draft: Path, origin: dict[str, Any]) -> None:
    """Write what people and their tools read about a release: the card, then what lists it."""
    card.write(draft, origin)
    bom.write(draft, origin)


def _upload(client: MlflowClient, origin: dict[str, Any], folder: Path) -> None:
    """The release as artifacts of the version's run; tags say where to look."""
    client.log_artifacts(origin["mlflow_run"], str(folder), "bundle")
    for tag, value in {registry.CARD: card.ARTIFACT, **bom.tags(folder)}.items():
        client.set_model_version_tag(origin["name"], origin["version"], tag, value)

"""`ml release`, `ml rollback`, `ml pull`: what must happen once, after `dvc repro`.

Reads: bundle/, data/test.parquet, data/reference.parquet, reports/evaluate/, dvc.lock. Writes: an
MLflow run, a registered version, its aliases, serving/releases/<version>/ and the link
serving/champion. Killed anywhere and run again it ends in the same state; a promotion that was
begun is finished by the next release or rollback. Run twice a release adds nothing.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from ml.bundle import (
    ABOUT_FILE,
    CONTRACT_FILE,
    MODEL_FILE,
    RELEASES,
    load_bundle,
    onnx_answers,
)
from ml.contract import Contract, load_contract
from ml.encode import Encoder
from ml.errors import UserError
from ml.params import load_params
from ml.pipeline.artifacts import BUNDLE, EVALUATION, REFERENCE, TEST, TRIALS
from ml.release import publish, registry
from ml.release.faults import translate_faults
from ml.release.gate import Check, Decision, against_baseline, against_champion
from ml.release.lineage import folder_hash, git_note, lineage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from mlflow.tracking import MlflowClient
    from numpy.typing import NDArray
    from rich.status import Status

    from ml.params import Params


def release(*, replace: bool = False) -> Decision:
    """Register the bundle and, where the gate lets it, make it the champion.

    Args:
        replace: skip the comparison with the champion (the question has changed: another target or
            other classes).

    Raises:
        UserError: there is no bundle, or it is older than the code, data or parameters; a version
            that was rolled back.
    """
    params = load_params()
    console = Console(stderr=True)
    with _exclusive_lock("make release"), console.status("opening the registry") as status:
        _refuse_stale()
        client = registry.connect()
        _finish_pending(client, params.name)
        version = _registered(client, params, status)
        status.update("comparing with the champion")
        champion = registry.alias(client, params.name, "champion")
        decision = _decide(client, params, version, champion, replace)
        if champion != version:  # the champion keeps the figures that it became champion with
            _record(client, params.name, version, decision)
        if decision.passed:
            previous = champion if champion != version else None
            _promote(client, params.name, registry.Promotion(version, previous))
    _print_decision(params.name, version, champion, decision)
    return decision


def rollback() -> str:
    """Make the previous champion the champion again; its version. Called twice it undoes itself.

    A rollback that was killed is finished, and that is all: going on would undo it.
    """
    params = load_params()
    with _exclusive_lock("make rollback"):
        client = registry.connect()
        pending = _finish_pending(client, params.name)
        if pending and pending.rolled_back:
            return pending.champion
        bad, good = _champion_and_previous(client, params.name)
        _fetch(client, params.name, good)
        now = datetime.now(UTC).isoformat()
        _promote(client, params.name, registry.Promotion(good, previous=bad, rolled_back=now))
    Console().print(
        f"[green]champion:[/] {params.name} version {good} "
        f"(was {bad}; the server follows by itself)"
    )
    return good


def _champion_and_previous(client: MlflowClient, name: str) -> tuple[str, str]:
    champion = registry.alias(client, name, "champion")
    previous = registry.alias(client, name, "previous")
    if not champion or not previous:
        raise UserError(
            f"registry: {name} has no previous champion to go back to", "make flow release"
        )
    if champion == previous:
        raise UserError(
            f"registry: version {champion} of {name} is both champion and previous champion",
            "make ui, and give the alias `previous` to a version that was good",
        )
    return champion, previous


def pull() -> str:
    """Bring serving/champion in line with the registry's champion; its version."""
    params = load_params()
    with _exclusive_lock("ml pull"):
        client = registry.connect()
        version = registry.alias(client, params.name, "champion")
        if not version:
            raise UserError(f"registry: {params.name} has no champion", "make flow release")
        _fetch(client, params.name, version)
        publish.set_champion_link(version)
    Console().print(
        f"[green]champion:[/] {params.name} version {version} in {publish.release_folder(version)}"
    )
    return version


def _promote(client: MlflowClient, name: str, promotion: registry.Promotion) -> None:
    """Move aliases and link.

    What they are to be is written first: killed after that, it is finished, not forgotten.
    """
    registry.begin_promotion(client, name, promotion)
    _finish(client, name, promotion)


def _finish(client: MlflowClient, name: str, promotion: registry.Promotion) -> None:
    _fetch(client, name, promotion.champion)
    registry.move_aliases(client, name, promotion)
    publish.set_champion_link(promotion.champion)
    registry.end_promotion(client, name)


def _finish_pending(client: MlflowClient, name: str) -> registry.Promotion | None:
    """Finish the promotion of a call that was killed."""
    pending = registry.pending_promotion(client, name)
    if pending:
        _finish(client, name, pending)
        what = "rollback" if pending.rolled_back else "release"
        Console().print(
            f"[green]champion:[/] {name} version {pending.champion} "
            f"(finished a {what} that was stopped)"
        )
    return pending


@contextmanager
def _exclusive_lock(command: str) -> Iterator[None]:
    """One release, rollback or pull at a time: the next one waits.

    A fault of the disk or of the registry becomes a `UserError`.
    """
    with translate_faults(command):
        RELEASES.mkdir(parents=True, exist_ok=True)
        with (publish.SERVING / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            publish.sweep()
            yield


def _refuse_stale() -> None:
    """A bundle that DVC would make anew must not be released: its lineage would be a lie."""
    if not (BUNDLE / MODEL_FILE).is_file():
        raise UserError("bundle/: there is no model yet", "make flow")
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "-q"], capture_output=True, text=True, check=False
    )
    if done.returncode == 1:
        raise UserError(
            "bundle/: older than the data, the code or params.yaml (see `dvc status`)", "make flow"
        )
    if done.returncode:
        raise UserError(
            f"`dvc status` stopped with status {done.returncode}: "
            "it cannot be said whether bundle/ is up to date",
            "python -m dvc status says why; mend that, then make release",
        )


def _registered(client: MlflowClient, params: Params, status: Status) -> str:
    """The registered, sealed version of the bundle: found by its hash, or made."""
    bundle_hash = folder_hash(BUNDLE)
    found = registry.find_version(client, params.name, bundle_hash)
    if found and found.tags.get(registry.SEALED):
        _fetch(client, params.name, str(found.version))
        return str(found.version)
    status.update("logging the run")
    origin = lineage()
    if note := git_note(origin):
        Console(stderr=True, soft_wrap=True).print(f"[yellow]note:[/] {note}", highlight=False)
    run_id = _log_run(client, params.name, origin, bundle_hash)
    status.update("registering the version")
    version = str(found.version) if found else _register(client, params, run_id, bundle_hash)
    released = {
        "name": params.name,
        "version": version,
        "mlflow_run": run_id,
        "bundle_hash": bundle_hash,
    }
    _seal(client, {**released, **origin})
    return version


def _log_run(client: MlflowClient, name: str, origin: dict[str, Any], bundle_hash: str) -> str:
    about = {
        "lineage": origin,
        "metrics": _metrics(),
        "folders": [EVALUATION],
        "trials": json.loads(TRIALS.read_text()),
    }
    return registry.log_run(client, registry.experiment(client, name), about, bundle_hash, name)


def _register(client: MlflowClient, params: Params, run_id: str, bundle_hash: str) -> str:
    return registry.register(
        client, params.name, run_id, BUNDLE / MODEL_FILE, load_contract(), bundle_hash
    )


def _seal(client: MlflowClient, released: dict[str, Any]) -> None:
    """Publish the release's folder and upload it; the version's tag says that both are done."""
    version = released["version"]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    # a seal without its registration is a draft
    shutil.rmtree(publish.release_folder(version), ignore_errors=True)
    folder = publish.seal(BUNDLE, REFERENCE, {**released, "released_at": now})
    client.log_artifacts(released["mlflow_run"], str(folder), "bundle")
    client.set_model_version_tag(released["name"], version, registry.SEALED, "true")


def _metrics() -> dict[str, float]:
    about = _about_bundle()
    baseline = {f"baseline_{name}": value for name, value in about["baseline"].items()}
    return {**about["metrics"], **baseline}


def _about_bundle() -> dict[str, Any]:
    """The bundle's model.json."""
    return dict(json.loads((BUNDLE / ABOUT_FILE).read_text(encoding="utf-8")))


def _fetch(client: MlflowClient, name: str, version: str) -> Path:
    """The release's folder, downloaded where this machine does not have it whole."""
    folder = publish.release_folder(version)
    if publish.is_complete(
        version, client.get_model_version(name, version).tags.get(registry.HASH)
    ):
        return folder
    draft = publish.draft_folder(version)
    draft.mkdir()
    downloaded = registry.download(client, name, version, draft)
    if folder.is_dir():
        shutil.rmtree(folder)
    publish.publish(downloaded, folder)
    draft.rmdir()
    load_bundle(folder)
    return folder


def _decide(
    client: MlflowClient, params: Params, version: str, champion: str | None, replace: bool
) -> Decision:
    about = _about_bundle()
    metric = about["metric"]
    checks = [against_baseline(metric, about["metrics"], about["baseline"], params.release)]
    rolled_back = client.get_model_version(params.name, version).tags.get(registry.ROLLED_BACK)
    if rolled_back:
        figures = f"version {version} was rolled back at {rolled_back[:19]}"
        checks.append(Check("not taken out of service", False, figures))
    if champion and champion != version and not replace:
        folder = _fetch(client, params.name, champion)
        checks.append(_compared(folder, champion, metric, params))
    return Decision(tuple(checks))


def _compared(champion: Path, version: str, metric: str, params: Params) -> Check:
    from ml.dataset.frame import read_table, target_codes

    contract, theirs = load_contract(), load_contract(champion / CONTRACT_FILE)
    if theirs.target != contract.target:
        figures = (
            f"version {version} predicts another target or other classes: "
            "`ml release --replace` promotes anyway"
        )
        return Check("not worse than the champion", False, figures)
    frame = read_table(TEST, contract)
    ours, old = _answers(BUNDLE, frame, contract), _answers(champion, frame, theirs)
    return against_champion(target_codes(frame, contract), ours, old, metric, params.release)


def _answers(folder: Path, frame: pd.DataFrame, contract: Contract) -> NDArray[Any]:
    """A bundle's answers for a table; a column of its contract that the table lacks is missing."""
    from ml.dataset.frame import encode_frame, typed

    complete = frame.reindex(columns=list(dict.fromkeys([*contract.names, *frame.columns])))
    x = encode_frame(typed(complete, contract), Encoder(contract))
    return onnx_answers((folder / MODEL_FILE).read_bytes(), x)


def _record(client: MlflowClient, name: str, version: str, decision: Decision) -> None:
    client.set_model_version_tag(name, version, "gate", "passed" if decision.passed else "refused")
    client.set_model_version_tag(name, version, "gate_reason", decision.reason)


def _print_decision(name: str, version: str, champion: str | None, decision: Decision) -> None:
    table = Table(title=f"Gate: {name} version {version}", title_justify="left", show_lines=False)
    for heading in ("question", "", "figures"):
        table.add_column(heading, overflow="fold")
    for check in decision.checks:
        table.add_row(check.name, "[green]yes[/]" if check.passed else "[red]no[/]", check.figures)
    console = Console()
    console.print(table)
    if decision.passed:
        was = f" (was {champion})" if champion and champion != version else ""
        console.print(
            f"[green]champion:[/] version {version}{was}, in {publish.release_folder(version)}\n"
            "next: make serve"
        )
    else:
        console.print(
            f"[yellow]refused:[/] version {champion or 'none'} stays champion\nnext: make ui"
        )

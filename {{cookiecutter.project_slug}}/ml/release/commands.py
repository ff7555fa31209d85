"""`ml release`, `ml rollback`, `ml pull`: what must happen once, after `dvc repro`.

Reads: bundle/, data/test.parquet and what `ml.release.register` and `ml.release.promotion` read.
Writes: what they write, and the gate's decision as tags of the version. Killed anywhere and run
again it ends in the same state; a promotion that was begun is finished by the next release or
rollback. Run twice a release adds nothing.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from ml.bundle import CONTRACT_FILE, MODEL_FILE, RELEASES, onnx_answers
from ml.clock import moment
from ml.contract import Contract, load_contract
from ml.encode import Encoder
from ml.errors import UserError
from ml.params import load_params
from ml.pipeline.artifacts import BUNDLE, TEST
from ml.progress import working
from ml.release import publish, register, registry
from ml.release.faults import translate_faults
from ml.release.gate import NOT_WORSE, Check, Decision, against_baseline, against_champion
from ml.release.promotion import fetch, finish_pending, promote

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from mlflow.tracking import MlflowClient
    from numpy.typing import NDArray

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
    with _exclusive_lock("make release"), working("opening the registry") as next_step:
        register.refuse_stale()
        client = registry.connect()
        finish_pending(client, params.name)
        version = register.register_bundle(client, params.name, next_step)
        next_step("comparing with the champion")
        champion = registry.alias(client, params.name, "champion")
        decision = _decide(client, params, version, champion, replace)
        _act_on(decision, client, params.name, version, champion)
    _print_decision(params.name, version, champion, decision)
    return decision


def _act_on(
    decision: Decision, client: MlflowClient, name: str, version: str, champion: str | None
) -> None:
    """Record the decision; promote the version where it passed."""
    if champion != version:  # the champion keeps the figures that it became champion with
        _record(client, name, version, decision)
    if decision.passed:
        previous = champion if champion != version else None
        promote(client, name, registry.Promotion(version, previous))


def rollback() -> str:
    """Make the previous champion the champion again; its version. Called twice it undoes itself.

    A rollback that was killed is finished, and that is all: going on would undo it.
    """
    params = load_params()
    with _exclusive_lock("make rollback"):
        client = registry.connect()
        pending = finish_pending(client, params.name)
        if pending and pending.rolled_back:
            return pending.champion
        bad, good = _champion_and_previous(client, params.name)
        fetch(client, params.name, good)
        at = moment().isoformat()
        promote(client, params.name, registry.Promotion(good, previous=bad, rolled_back=at))
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
        fetch(client, params.name, version)
        publish.set_champion_link(version)
    Console().print(
        f"[green]champion:[/] {params.name} version {version} in {publish.release_folder(version)}"
    )
    return version


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


def _decide(
    client: MlflowClient, params: Params, version: str, champion: str | None, replace: bool
) -> Decision:
    about = register.about_bundle()
    metric = about["metric"]
    checks = [against_baseline(metric, about["metrics"], about["baseline"], params.release)]
    checks += _in_service(client, params.name, version)
    if champion and champion != version and not replace:
        folder = fetch(client, params.name, champion)
        checks.append(_compared(folder, champion, metric, params))
    return Decision(tuple(checks))


def _in_service(client: MlflowClient, name: str, version: str) -> list[Check]:
    """A failed check where the version was rolled back, else none."""
    rolled_back = client.get_model_version(name, version).tags.get(registry.ROLLED_BACK)
    if not rolled_back:
        return []
    figures = f"version {version} was rolled back at {rolled_back[:19]}"
    return [Check("not taken out of service", False, figures)]


def _compared(champion: Path, version: str, metric: str, params: Params) -> Check:
    """The bundle and the champion, asked the same held-out rows."""
    contract, theirs = load_contract(), load_contract(champion / CONTRACT_FILE)
    if theirs.target != contract.target:
        figures = (
            f"version {version} predicts another target or other classes: "
            "`ml release --replace` promotes anyway"
        )
        return Check(NOT_WORSE, False, figures)
    return against_champion(*_held_out_answers(champion, contract, theirs), metric, params.release)


def _held_out_answers(
    champion: Path, contract: Contract, theirs: Contract
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The held-out targets, the bundle's answers and the champion's."""
    from ml.dataset.frame import read_table, target_codes

    frame = read_table(TEST, contract)
    challenger = _answers(BUNDLE, frame, contract)
    return target_codes(frame, contract), challenger, _answers(champion, frame, theirs)


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
    console = Console()
    console.print(_checks_table(f"Gate: {name} version {version}", decision))
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


def _checks_table(title: str, decision: Decision) -> Table:
    table = Table(title=title, title_justify="left", show_lines=False)
    for heading in ("question", "", "figures"):
        table.add_column(heading, overflow="fold")
    for check in decision.checks:
        table.add_row(check.name, "[green]yes[/]" if check.passed else "[red]no[/]", check.figures)
    return table

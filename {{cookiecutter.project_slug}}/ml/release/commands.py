"""`ml release`, `ml approve`, `ml rollback`, `ml pull`: what must happen once, after `dvc repro`.

Reads: bundle/, data/train.parquet and what `ml.release.register` and `ml.release.promotion` read.
Writes: what they write, the gate's decision as tags of the version, and a line of the ledger for
each decision. Killed anywhere and run again it ends in the same state; a promotion that was begun
is finished by the next release, approval or rollback. Run twice a release adds nothing.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from ml.errors import UserError
from ml.ledger import chain, history
from ml.params import load_params
from ml.progress import working
from ml.release import card, publish, register, registry
from ml.release.faults import translate_faults
from ml.release.gate.comparison import contender, measured
from ml.release.gate.decide import decide
from ml.release.gate.decision import Check, Decision
from ml.release.gate.fairness import fair
from ml.release.gate.table import checks_table
from ml.release.promotion import (
    ChampionMovedError,
    Mandate,
    fetch,
    finish_pending,
    hashes,
    pending_here,
    planned,
    promote,
    serve_previous,
)
from ml.release.publish import exclusive_lock
from ml.seal.signature import check_keys

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from ml.params import Params
    from ml.release.gate.comparison import Contender


@dataclass(frozen=True)
class Released:
    """What a release came to."""

    version: str  # of the bundle
    champion: str | None  # that answered before
    action: str | None  # of the ledger; None: the version is champion already
    decision: Decision

    @property
    def passed(self) -> bool:
        """Whether the version may be champion."""
        return self.decision.passed

    @property
    def reason(self) -> str:
        """The gate's, in words."""
        return self.decision.reason


def release(
    mandate: Mandate | None = None, *, new_contract: bool = False, approval: bool = False
) -> Released:
    """Register the bundle and, where the gate lets it, make it the champion.

    Args:
        mandate: who decides, why, and figures beside the gate's; None: the person who types.
        new_contract: requests may differ from the champion's (another column, another target).
        approval: a version that passes the gate waits for `approve`.

    Raises:
        UserError: there is no bundle, it is older than the code, data or parameters, or a key that
            signs or verifies cannot be used.
    """
    params = load_params()
    with exclusive_lock("make release"), working("opening the registry") as next_step:
        check_keys()
        register.refuse_stale()
        client = registry.connect()
        finish_pending(client, params.name)
        version = register.register_bundle(client, params.name, next_step)
        because = mandate or Mandate("the gate passed it")
        while True:
            next_step("comparing with the champion")
            judged = _judge(client, params, version, because, new_contract)
            with suppress(ChampionMovedError):  # by another clone: the gate judges beside that one
                action = _act_on(client, params.name, judged, approval=approval)
                break
    released = Released(version, judged.champion, action, judged.decision)
    _print_decision(params.name, released)
    return released


class _Judged(NamedTuple):
    version: str
    champion: str | None
    decision: Decision
    mandate: Mandate

    @property
    def evidence(self) -> dict[str, Any]:
        """The caller's figures and the gate's."""
        return {**self.mandate.evidence, "gate": self.decision.evidence}


def _judge(
    client: MlflowClient, params: Params, version: str, mandate: Mandate, new_contract: bool
) -> _Judged:
    """The gate's decision on a version beside the champion of this moment."""
    champion = registry.alias(client, params.name, "champion")
    rival = _rival(client, params, version, champion)
    decision = _decide(client, params, version, rival, mandate, new_contract)
    if version != champion:
        decision = decision.beside(*_stated(params, version))
    return _Judged(version, champion, decision, mandate)


def _act_on(client: MlflowClient, name: str, judged: _Judged, *, approval: bool) -> str | None:
    """Record the decision, promote the version where it passed; the ledger's word for it."""
    version, champion, decision, mandate = judged
    if champion == version:  # it keeps the figures that it became champion with
        publish.set_champion_link(version)
        return None
    _record(client, name, version, decision)
    if not decision.passed:
        return _note(client, name, chain.REFUSE, judged, decision.reason)
    if approval:
        client.set_model_version_tag(name, version, registry.WAITING, champion or "none")
        return _note(client, name, chain.WAIT, judged, mandate.why)
    because = replace(mandate, evidence=judged.evidence)
    promote(client, name, planned(chain.PROMOTE, version, champion, because))
    return chain.PROMOTE


def _note(client: MlflowClient, name: str, action: str, judged: _Judged, why: str) -> str:
    """A line of the ledger that promotes nothing; the same decision again adds none."""
    hashed = hashes(judged.version)
    same = json.dumps([action, judged.champion, hashed, why], sort_keys=True)
    entry = chain.record(
        action,
        why=why,
        who=judged.mandate.who,
        from_version=judged.champion,
        to_version=judged.version,
        evidence=judged.evidence,
        hashes=hashed,
        decision=hashlib.sha256(same.encode()).hexdigest()[:32],
    )
    registry.note_line(client, name, entry)
    return action


def approve(version: str | None = None, mandate: Mandate | None = None) -> str:
    """Promote a version that passed the gate and waits for a person; its number.

    Args:
        version: None: the latest that waits.
        mandate: who approves and why; None: the person who types.

    Raises:
        UserError: none waits, its gate did not pass, it was rolled back, or the champion is not the
            one that it was compared with.
    """
    params = load_params()
    with exclusive_lock("ml approve"):
        client = registry.connect()
        finish_pending(client, params.name)
        champion = registry.alias(client, params.name, "champion")
        chosen = version or _latest_waiting(client, params.name)
        if chosen != champion:
            _refuse_approval(client, params.name, chosen, champion)
            because = mandate or Mandate("approved by hand", evidence=_evidence_of(chosen))
            fetch(client, params.name, chosen)
            promote(client, params.name, planned(chain.APPROVE, chosen, champion, because))
    _print_champion(params.name, chosen, champion)
    return chosen


def _latest_waiting(client: MlflowClient, name: str) -> str:
    versions = client.search_model_versions(f"name = '{name}'")
    waiting = [int(v.version) for v in versions if registry.WAITING in v.tags]
    if not waiting:
        raise UserError(f"registry: no version of {name} waits for an approval", "make history")
    return str(max(waiting))


def _refuse_approval(client: MlflowClient, name: str, version: str, champion: str | None) -> None:
    """Raise where a version must not be promoted by a word alone."""
    tags = registry.version_tags(client, name, version)
    what = f"registry: version {version} of {name}"
    if tags is None:
        raise UserError(f"{what}: there is no such version", "make ui, which lists them")
    if registry.ROLLED_BACK in tags:
        at = tags[registry.ROLLED_BACK][:19]
        raise UserError(f"{what} was rolled back at {at}", "make flow release: a new version")
    if tags.get(registry.GATE) != "passed":
        reason = tags.get(registry.GATE_REASON, "it was never asked")
        raise UserError(f"{what} did not pass the gate: {reason}", "make release")
    beside = tags.get(registry.WAITING)
    if beside is None:
        raise UserError(f"{what} does not wait for an approval", "make history")
    if beside != (champion or "none"):
        raise UserError(
            f"{what} was compared with version {beside}; the champion is {champion or 'none'} now",
            "make release: the gate compares it with that one",
        )


def _evidence_of(version: str) -> dict[str, Any]:
    """The figures with which a version began to wait."""
    waits = [e for e in chain.entries() if (e.action, e.to_version) == (chain.WAIT, version)]
    return waits[-1].evidence if waits else {}


def promote_version(client: MlflowClient, params: Params, version: str, mandate: Mandate) -> None:
    """Make an earlier version the champion again, as the loop does where it is the best one.

    Raises:
        UserError: there is no such version, it is not whole, or it was rolled back.
    """
    with exclusive_lock("make release"):
        finish_pending(client, params.name)
        champion = registry.alias(client, params.name, "champion")
        if champion == version:
            return
        tags = registry.version_tags(client, params.name, version)
        what = f"registry: version {version} of {params.name}"
        if tags is None or registry.SEALED not in tags:
            raise UserError(f"{what}: there is no such version, or it is not whole", "make ui")
        if registry.ROLLED_BACK in tags:
            raise UserError(f"{what} was rolled back", "make flow release: a new version")
        fetch(client, params.name, version)
        promote(client, params.name, planned(chain.PROMOTE, version, champion, mandate))
    _print_champion(params.name, version, champion)


def rollback(mandate: Mandate | None = None) -> str:
    """Make the previous champion the champion again; its version. Called twice it undoes itself.

    Where the ledger knows the previous champion and its release is here, the service gets it
    before the registry is asked, which takes seconds. A rollback that was killed is finished, and
    that is all: going on would undo it.

    Args:
        mandate: who decides, why and on what figures; None: the person who types.
    """
    params, because = load_params(), mandate or Mandate("rolled back by hand")
    with exclusive_lock("make rollback"):
        began_now = serve_previous(because)
        client = registry.connect()
        pending = finish_pending(client, params.name, announce=not began_now)
        if pending and pending.rolled_back:
            bad, good = pending.previous, pending.champion
        else:
            bad, good = _champion_and_previous(client, params.name)
            fetch(client, params.name, good)
            promote(client, params.name, planned(chain.ROLLBACK, good, bad, because))
    _print_champion(params.name, good, bad)
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


def verify_ledger() -> list[str]:
    """Compare the ledger with its hashes, with git's last commit and with the registry."""
    with translate_faults("ml history --verify"):
        name = load_params().name
        noted = registry.noted_line(registry.connect(), name) if registry.exists() else None
    return history.verify(history.Noted(*noted) if noted else None)


def pull() -> str:
    """Bring serving/champion in line with the registry's champion; its version."""
    params = load_params()
    with exclusive_lock("ml pull"):
        client = registry.connect()
        if pending_here():
            finish_pending(client, params.name)
        version = registry.alias(client, params.name, "champion")
        if not version:
            raise UserError(f"registry: {params.name} has no champion", "make flow release")
        fetch(client, params.name, version)
        publish.set_champion_link(version)
    Console().print(
        f"[green]champion:[/] {params.name} version {version} in {publish.release_folder(version)}"
    )
    return version


def _rival(
    client: MlflowClient, params: Params, version: str, champion: str | None
) -> Contender | None:
    """The champion; it is not compared with itself."""
    if not champion or champion == version:
        return None
    return contender(fetch(client, params.name, champion))


def _decide(
    client: MlflowClient,
    params: Params,
    version: str,
    rival: Contender | None,
    mandate: Mandate,
    new_contract: bool,
) -> Decision:
    """The gate's decision on a version."""
    challenger, held_out, tried = measured(fetch(client, params.name, version))
    decision = decide(
        challenger,
        rival,
        held_out,
        params,
        tried=tried,
        new_contract=new_contract,
        decayed=mandate.decayed,
    )
    return decision.beside(*_in_service(client, params.name, version))


def _stated(params: Params, version: str) -> list[Check]:
    """What the project asks besides: groups that are treated alike, a model card."""
    folder = publish.release_folder(version)
    checks = card.described(folder, params.card)
    if not params.fairness.tolerance.stated:
        return checks
    challenger, held_out, _ = measured(folder)
    treated = fair(held_out, challenger.contract, params.fairness)
    return [treated, *checks] if treated else checks


def _in_service(client: MlflowClient, name: str, version: str) -> list[Check]:
    """A failed check where the version was rolled back, else none."""
    rolled_back = client.get_model_version(name, version).tags.get(registry.ROLLED_BACK)
    if not rolled_back:
        return []
    figures = f"version {version} was rolled back at {rolled_back[:19]}"
    then = "make flow: another model is another version"
    return [Check("not taken out of service", False, figures, {"at": rolled_back}, then)]


def _record(client: MlflowClient, name: str, version: str, decision: Decision) -> None:
    answer = "passed" if decision.passed else "refused"
    client.set_model_version_tag(name, version, registry.GATE, answer)
    client.set_model_version_tag(name, version, registry.GATE_REASON, decision.reason)


def _print_decision(name: str, released: Released) -> None:
    console = Console()
    console.print(checks_table(f"Gate: {name} version {released.version}", released.decision))
    before = released.champion
    if released.action == chain.WAIT:
        console.print(
            f"[yellow]waiting:[/] version {released.version} passed; version {before or 'none'} "
            f"stays champion\nnext: make approve"
        )
    elif released.passed:
        was = f" (was {before})" if before and before != released.version else ""
        folder = publish.release_folder(released.version)
        console.print(
            f"[green]champion:[/] version {released.version}{was}, in {folder}\nnext: make serve"
        )
    else:
        _print_refusal(released)


def _print_refusal(released: Released) -> None:
    console, decision = Console(soft_wrap=True), released.decision
    console.print(
        f"[yellow]refused:[/] version {released.champion or 'none'} stays champion; "
        f"{', '.join(f'no: {check.name}' for check in decision.failed)}",
        highlight=False,
    )
    for then in decision.then or ("make ui",):
        console.print(f"next: {then}", markup=False, highlight=False)


def _print_champion(name: str, version: str, before: str | None) -> None:
    was = f"was {before}; " if before and before != version else ""
    Console().print(
        f"[green]champion:[/] {name} version {version} ({was}the server follows by itself)"
    )

"""A promotion: registry's aliases, the link serving/champion and the ledger move together.

Reads: the registry. Writes: its aliases and tags, serving/releases/<version>/, the link
serving/champion, a line of ledger.jsonl.
What a promotion is to end in is written down before its first step, in serving/promotion.json and
as a tag of the registered model, so that one that was killed is finished, or undone where its files
are gone, by the next release, approval or rollback. Its decision has an id, so that the ledger gets
one line however often it is finished.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ml.atomic import sync, write_json
from ml.bundle import load_bundle
from ml.clock import moment
from ml.errors import UserError
from ml.ledger import chain
from ml.release import publish, registry
from ml.release.registry import Promotion
from ml.seal.manifest import check_beside

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PENDING = publish.SERVING / "promotion.json"  # of this machine, from its first step to its last
HASHED = ("bundle_hash", "data", "dvc_lock", "git_commit")  # of lineage.json, in the ledger


@dataclass(frozen=True)
class Mandate:
    """Who decides, why, and on what figures.

    `decayed`: outcomes have shown that the champion got worse.
    """

    why: str
    who: str | None = None  # None: the person who types
    evidence: dict[str, Any] = field(default_factory=dict)
    decayed: bool = False


def planned(action: str, champion: str, previous: str | None, mandate: Mandate) -> Promotion:
    """The promotion that a decision asks for."""
    at = moment().isoformat()
    entry = {
        "action": action,
        "from_version": previous,
        "to_version": champion,
        "who": mandate.who or chain.person(),
        "why": mandate.why,
        "evidence": mandate.evidence,
        "hashes": hashes(champion),
        "decision": chain.new_decision(),
        "at": at,
    }
    rolled_back = at if action == chain.ROLLBACK else None
    return Promotion(champion, previous, rolled_back, chain.as_json(entry))


def hashes(version: str) -> dict[str, Any]:
    """What identifies a release, for the ledger."""
    lineage = publish.lineage_of(version)
    return {name: lineage[name] for name in HASHED if name in lineage}


class ChampionMovedError(UserError):
    """Another clone of the project has promoted a version meanwhile."""


def promote(client: MlflowClient, name: str, promotion: Promotion) -> None:
    """Move aliases and link, write the ledger.

    Raises:
        ChampionMovedError: the champion is not the one that was decided beside; nothing was moved.
    """
    write_down(promotion)
    registry.begin_promotion(client, name, promotion)
    champion = registry.alias(client, name, "champion")
    if champion != promotion.previous:
        _drop(client, name, promotion)
        raise ChampionMovedError(
            f"registry: version {champion or 'none'} of {name} became champion meanwhile, which "
            f"version {promotion.champion} was not compared with",
            "make release: the gate compares it with that one",
        )
    _finish(client, name, promotion)


def serve_previous(mandate: Mandate) -> bool:
    """Begin a rollback with the link, before the registry is asked: the service follows at once.

    `finish_pending` does the rest. False, and nothing is done, where the ledger does not know the
    champion before this one, or its release is not here.
    """
    pending = pending_here()
    if pending:
        if pending.rolled_back:
            publish.set_champion_link(pending.champion)
        return False
    versions = _known_versions()
    if not versions:
        return False
    bad, good = versions
    write_down(planned(chain.ROLLBACK, good, bad, mandate))
    publish.set_champion_link(good)
    _print(f"serving/champion: version {good}; the registry follows")
    return True


def _known_versions() -> tuple[str, str] | None:
    """Champion and previous champion by the ledger's last word, if both are here and sound."""
    last = next((entry for entry in reversed(chain.entries()) if entry.action in chain.MOVES), None)
    if not last or last.action == chain.UNDO:
        return None
    champion, previous = last.to_version, last.from_version
    if not champion or not previous or champion != publish.linked_version():
        return None
    try:
        load_bundle(publish.release_folder(previous))
    except UserError:
        return None
    return champion, previous


def write_down(promotion: Promotion) -> None:
    """Keep what a promotion is to end in.

    Raises:
        BrokenLineError: the ledger cannot take its line; nothing was moved.
    """
    chain.entries()
    write_json(PENDING, asdict(promotion))
    sync(PENDING.parent)


def _finish(client: MlflowClient, name: str, promotion: Promotion) -> None:
    fetch(client, name, promotion.champion)
    registry.move_aliases(client, name, promotion)
    was_linked = publish.linked_version() == promotion.champion
    if not was_linked:
        publish.set_champion_link(promotion.champion)
    if promotion.entry:
        _write_line(client, name, promotion.entry, was_linked)
    _end(client, name)


def _write_line(client: MlflowClient, name: str, entry: dict[str, Any], was_linked: bool) -> None:
    """The ledger's line; its time is when the link moved: now, or when the decision began."""
    began = datetime.fromisoformat(entry["at"])
    line = chain.record(**{**entry, "at": began if was_linked else None})
    registry.note_line(client, name, line)


def _end(client: MlflowClient, name: str) -> None:
    registry.end_promotion(client, name)
    PENDING.unlink(missing_ok=True)


def pending_here() -> Promotion | None:
    """The promotion that this machine began and did not end."""
    try:
        return Promotion(**json.loads(PENDING.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def finish_pending(client: MlflowClient, name: str, *, announce: bool = True) -> Promotion | None:
    """Finish the promotion of a call that was killed, here or elsewhere, and return it.

    None where there is none, or where it was dropped or undone.
    """
    pending = pending_here() or registry.pending_promotion(client, name)
    if not pending:
        return None
    if not _is_due(client, name, pending):
        _drop(client, name, pending)
        return None
    try:
        fetch(client, name, pending.champion)
    except UserError as error:
        _undo(client, name, pending, error)
        return None
    registry.begin_promotion(client, name, pending)
    _finish(client, name, pending)
    if announce:
        _print_finished(name, pending)
    return pending


def _is_due(client: MlflowClient, name: str, promotion: Promotion) -> bool:
    """Whether the registry stands before a promotion, in it or at its end, and has its version."""
    stands = registry.alias(client, name, "champion") in (promotion.champion, promotion.previous)
    return stands and registry.version_tags(client, name, promotion.champion) is not None


def _drop(client: MlflowClient, name: str, promotion: Promotion) -> None:
    """Forget a promotion: its version was deleted, or another machine has promoted since."""
    champion = registry.alias(client, name, "champion")
    if champion:
        fetch(client, name, champion)
        publish.set_champion_link(champion)
    tagged = registry.pending_promotion(client, name)
    if tagged and tagged.champion == promotion.champion:
        registry.end_promotion(client, name)
    PENDING.unlink(missing_ok=True)
    _print(
        f"[yellow]dropped:[/] a promotion of version {promotion.champion}; "
        f"version {champion or 'none'} is champion in the registry"
    )


def _undo(client: MlflowClient, name: str, promotion: Promotion, reason: UserError) -> None:
    """Take a promotion back whose files are gone."""
    registry.move_back(client, name, promotion)
    if promotion.previous:
        fetch(client, name, promotion.previous)
        publish.set_champion_link(promotion.previous)
    if promotion.entry:
        undone = _undone(promotion, f"stopped before its end; {reason.what}")
        _write_line(client, name, undone, was_linked=False)
    _end(client, name)
    _print(
        f"[yellow]undone:[/] a promotion of version {promotion.champion} that was stopped: "
        f"{reason.what}"
    )


def _undone(promotion: Promotion, why: str) -> dict[str, Any]:
    """The ledger's line of a promotion that was undone."""
    return {
        **promotion.entry,
        "action": chain.UNDO,
        "from_version": promotion.champion,
        "to_version": promotion.previous,
        "why": why,
        "decision": f"{promotion.entry['decision']}-undone",
    }


def _print(text: str) -> None:
    Console().print(text, highlight=False, soft_wrap=True)


def _print_finished(name: str, pending: Promotion) -> None:
    word = "rollback" if pending.rolled_back else "release"
    _print(
        f"[green]champion:[/] {name} version {pending.champion} "
        f"(finished a {word} that was stopped)"
    )


def fetch(client: MlflowClient, name: str, version: str) -> Path:
    """The release's folder, downloaded where this machine does not have it whole."""
    folder = publish.release_folder(version)
    bundle_hash = client.get_model_version(name, version).tags.get(registry.HASH)
    if not publish.is_complete(version, bundle_hash):
        _download(client, name, version, folder)
        load_bundle(folder)
        check_beside(folder)
    return folder


def _download(client: MlflowClient, name: str, version: str, folder: Path) -> None:
    """Replace the release's folder by what the registry holds."""
    draft = publish.draft_folder(version)
    draft.mkdir()
    downloaded = registry.download(client, name, version, draft)
    if folder.is_dir():
        shutil.rmtree(folder)
    publish.publish(downloaded, folder)
    draft.rmdir()

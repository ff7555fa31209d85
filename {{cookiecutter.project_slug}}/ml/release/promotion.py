"""A promotion: the registry's aliases and the link serving/champion move together.

Reads: the registry. Writes: its aliases, serving/releases/<version>/ and the link serving/champion.
What a promotion is to end in is written down before its first step, so that one that was killed is
finished by the next release or rollback.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from rich.console import Console

from ml.bundle import load_bundle
from ml.release import publish, registry

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.tracking import MlflowClient


def promote(client: MlflowClient, name: str, promotion: registry.Promotion) -> None:
    """Move aliases and link."""
    registry.begin_promotion(client, name, promotion)
    _finish(client, name, promotion)


def _finish(client: MlflowClient, name: str, promotion: registry.Promotion) -> None:
    fetch(client, name, promotion.champion)
    registry.move_aliases(client, name, promotion)
    publish.set_champion_link(promotion.champion)
    registry.end_promotion(client, name)


def finish_pending(client: MlflowClient, name: str) -> registry.Promotion | None:
    """Finish the promotion of a call that was killed, and return it."""
    pending = registry.pending_promotion(client, name)
    if pending:
        _finish(client, name, pending)
        command = "rollback" if pending.rolled_back else "release"
        Console().print(
            f"[green]champion:[/] {name} version {pending.champion} "
            f"(finished a {command} that was stopped)"
        )
    return pending


def fetch(client: MlflowClient, name: str, version: str) -> Path:
    """The release's folder, downloaded where this machine does not have it whole."""
    folder = publish.release_folder(version)
    bundle_hash = client.get_model_version(name, version).tags.get(registry.HASH)
    if not publish.is_complete(version, bundle_hash):
        _download(client, name, version, folder)
        load_bundle(folder)
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

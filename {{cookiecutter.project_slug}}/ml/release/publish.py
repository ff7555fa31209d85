"""A sealed bundle: the exported files, their lineage and a manifest, published in one step.

Writes: serving/releases/<version>/ and the link serving/champion → releases/<version>. A reader
sees the old release or the new one, never half of one: each is made as a draft beside its place and
renamed.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.atomic import replace_link, sync, write_json
from ml.bundle import CHAMPION, LINEAGE_FILE, RELEASES, load_bundle
from ml.errors import UserError
from ml.release.faults import translate_faults
from ml.seal.manifest import check_beside, write_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SERVING = CHAMPION.parent
REFERENCE = "reference.parquet"  # for the monitor


@contextmanager
def exclusive_lock(command: str) -> Iterator[None]:
    """One release, rollback, approval or pull at a time: the next one waits.

    A process that holds it must not ask for it again. A fault of the disk or of the registry
    becomes a `UserError` that ends in `command`.
    """
    with translate_faults(command):
        RELEASES.mkdir(parents=True, exist_ok=True)
        with (SERVING / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            sweep()
            yield


def release_folder(version: str) -> Path:
    """Where a sealed version lies."""
    return RELEASES / version


def draft_folder(version: str) -> Path:
    """Where a version's release is made before it is published."""
    return RELEASES / f".{version}.draft"


def sweep() -> None:
    """Remove the drafts that killed calls left; only under the lock, where nobody makes one."""
    for draft in RELEASES.glob(".*.draft"):
        shutil.rmtree(draft)
    for draft in SERVING.glob(".*.draft"):
        draft.unlink()


def is_complete(version: str, bundle_hash: str | None) -> bool:
    """Whether the release is here, complete, and of the registry's version with this hash.

    A copy of the project that was interrupted has half a folder; another registry has another
    version of the number.
    """
    folder = release_folder(version)
    try:
        lineage = load_bundle(folder).lineage
        check_beside(folder)
    except UserError:
        return False
    return lineage.get("bundle_hash") == bundle_hash and (folder / REFERENCE).is_file()


def seal(
    bundle: Path,
    beside: Sequence[Path],
    lineage: dict[str, Any],
    describe: Callable[[Path], None],
) -> Path:
    """Publish bundle, lineage and manifest as the release `lineage["version"]`.

    An existing release stays as it is.

    Args:
        bundle: the files that are served.
        beside: files for monitor, gate and loop, which are not served.
        lineage: where the model comes from.
        describe: writes more files that are sealed, such as the model card, into the draft.
    """
    folder = release_folder(lineage["version"])
    if folder.is_dir():
        return folder
    draft = draft_folder(lineage["version"])
    _copy(bundle, draft, lineage)
    for path in beside:
        shutil.copyfile(path, draft / path.name)
    describe(draft)
    write_manifest(draft)
    return publish(draft, folder)


def make_draft(bundle: Path, folder: Path, lineage: dict[str, Any]) -> None:
    """A bundle with its lineage and manifest in a new folder, which can be loaded from there.

    It is no release: nobody signs it (`load_bundle(…, is_draft=True)`).
    """
    _copy(bundle, folder, lineage)
    write_manifest(folder, sign=False)


def _copy(bundle: Path, folder: Path, lineage: dict[str, Any]) -> None:
    shutil.copytree(bundle, folder)
    write_json(folder / LINEAGE_FILE, lineage)


def seal_again(version: str, describe: Callable[[Path], None]) -> Path:
    """A draft of a release that was never served, described anew; `replace_release` publishes it.

    Args:
        version: of the release.
        describe: writes files that are sealed.
    """
    draft = draft_folder(version)
    shutil.copytree(release_folder(version), draft)
    describe(draft)
    write_manifest(draft)
    return draft


def replace_release(version: str) -> None:
    """Publish the draft in place of a release that is not linked."""
    shutil.rmtree(release_folder(version))
    publish(draft_folder(version), release_folder(version))


def publish(draft: Path, folder: Path) -> Path:
    """Make a finished draft visible under its name, durably."""
    for path in [*draft.iterdir(), draft]:
        sync(path)
    draft.replace(folder)
    sync(folder.parent)
    return folder


def linked_version() -> str | None:
    """The version that serving/champion points to; None where the link is not there."""
    return CHAMPION.readlink().name if CHAMPION.is_symlink() else None


def lineage_of(version: str) -> dict[str, Any]:
    """A release's lineage.json; empty where the release is not here."""
    try:
        return dict(json.loads((release_folder(version) / LINEAGE_FILE).read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def set_champion_link(version: str, link: Path = CHAMPION) -> None:
    """Move the link to a version's release, atomically and durably."""
    replace_link(link, Path(RELEASES.name) / version)

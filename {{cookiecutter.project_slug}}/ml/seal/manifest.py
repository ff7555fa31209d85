"""A release's manifest: the SHA-256 of each of its files, checked before a file is used.

Reads and writes: manifest.json. `files` are those of the bundle, which the service reads; `beside`
are those that monitor, gate and loop read. A signature covers both (`ml.seal.signature`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ml.atomic import write_json
from ml.errors import UserError
from ml.seal.signature import SIGNATURE_FILE, is_required, problem, signature_of

MANIFEST_FILE = "manifest.json"
# of a release, for monitor, gate and loop: the held-out rows with their answers, and the hashes of
# the rows that the model learned from. The service reads neither, and the image has no such rows
BESIDE = ("reference.parquet", "trained_rows.npy")


def verified(folder: Path, needed: Sequence[str], *, is_draft: bool) -> dict[str, bytes]:
    """The content of each file of the bundle, read once.

    Args:
        folder: of a release, without links.
        needed: files that the manifest has to list.
        is_draft: no signature is asked for.

    Raises:
        UserError: a file is missing or differs, or the signature does not allow the manifest.
    """
    listed = _listed(folder, is_draft=is_draft).of_bundle
    unlisted = [name for name in needed if name not in listed]
    if unlisted:
        raise broken(folder, f"{MANIFEST_FILE} does not list {', '.join(unlisted)}")
    return {name: _verified_file(folder, name, digest) for name, digest in listed.items()}


def check_beside(folder: Path) -> None:
    """Check all files of a release, those beside the bundle too, where releases have to be signed.

    Whoever reads a release's files without `load_bundle` calls this first. Without public keys
    nothing is checked: a release is then what lies in its folder.

    Raises:
        UserError: the release is not signed, a file differs from its hash, or it is not listed.
    """
    if not is_required():
        return
    release = folder.resolve()
    listed = _listed(release)
    for name, digest in listed.of_bundle.items():
        _verified_file(release, name, digest)
    for name in BESIDE:
        if name in listed.beside:
            _verified_file(release, name, listed.beside[name])
        elif (release / name).exists():
            raise broken(release, f"{MANIFEST_FILE} does not list {name}")


def write_manifest(folder: Path, *, sign: bool = True) -> None:
    """Write the hash of each file in a release's folder, and sign them where there is a key."""
    names = {path.name for path in folder.iterdir()} - {MANIFEST_FILE, SIGNATURE_FILE}
    hashes = {name: _sha256((folder / name).read_bytes()) for name in sorted(names)}
    beside = {name: hashes.pop(name) for name in BESIDE if name in hashes}
    write_json(folder / MANIFEST_FILE, {"files": hashes, "beside": beside})
    signature = signature_of((folder / MANIFEST_FILE).read_bytes()) if sign else None
    if signature is None:  # one of before would be that of another manifest
        (folder / SIGNATURE_FILE).unlink(missing_ok=True)
    else:
        (folder / SIGNATURE_FILE).write_bytes(signature)


class _Listed(NamedTuple):
    """The hashes in a manifest, by the name of the file."""

    of_bundle: dict[str, str]
    beside: dict[str, str]  # empty in a release from before they were listed


def _listed(folder: Path, *, is_draft: bool = False) -> _Listed:
    """What the manifest lists, after its signature was checked where one is asked for."""
    manifest = _bytes_of(folder / MANIFEST_FILE)
    if manifest is None:
        raise broken(folder, f"{MANIFEST_FILE} is missing: the bundle was not sealed by a release")
    wrong = None if is_draft else problem(manifest, _bytes_of(folder / SIGNATURE_FILE))
    if wrong:
        raise broken(folder, wrong)
    try:
        content = json.loads(manifest)
        return _Listed(dict(content["files"]), dict(content.get("beside", {})))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise broken(folder, f"{MANIFEST_FILE} is not a manifest") from None


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _verified_file(folder: Path, name: str, digest: str) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise broken(folder, f"{name}: {error.strerror}") from None
    if _sha256(content) != digest:
        raise broken(folder, f"{name} differs from its hash in {MANIFEST_FILE}")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def broken(folder: Path, what: str) -> UserError:
    """The error of a release that is not as it was made."""
    return UserError(
        f"{folder}: {what}", "make release, or `ml rollback` to serve the version before"
    )

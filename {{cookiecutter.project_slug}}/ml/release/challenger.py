"""`ml challenge`: which release scores or answers beside the champion.

Writes: the link serving/challenger → releases/<version>, a line of the ledger.
"""

from __future__ import annotations

from pathlib import Path

from ml.atomic import replace_link
from ml.bundle import CHALLENGER, RELEASES, load_bundle
from ml.errors import UserError
from ml.ledger import chain
from ml.release.promotion import hashes


def challenge(version: str, *, why: str = "set by hand", who: str | None = None) -> None:
    """Point serving/challenger at a release, in one atomic rename; `off` takes it away.

    Args:
        version: of a release here, or `off`.
        why: for the ledger.
        who: decided; None: the person who types.

    Raises:
        UserError: there is no such release here, or it is not sound.
    """
    if version == "off":
        _record(None, why, who)
        CHALLENGER.unlink(missing_ok=True)
        print("serving/challenger: gone; the champion answers everything")
        return
    folder = RELEASES / version
    if not folder.is_dir():
        raise _no_such_release(folder)
    load_bundle(folder)
    _record(version, why, who)
    replace_link(CHALLENGER, Path(RELEASES.name) / version)
    print(
        f"serving/challenger → {folder}\n"
        "next: serve.challenger in params.yaml says shadow or canary; then ml compare"
    )


def _record(version: str | None, why: str, who: str | None) -> None:
    """The ledger's line, before the link moves: a call that was killed in between adds no second.

    None where the ledger says already that this version is the challenger, or none.
    """
    decisions = [entry for entry in chain.entries() if entry.action == chain.CHALLENGE]
    if (decisions[-1].to_version if decisions else None) != version:
        hashed = hashes(version) if version else {}
        chain.record(chain.CHALLENGE, why=why, who=who, to_version=version, hashes=hashed)


def _no_such_release(folder: Path) -> UserError:
    names = ", ".join(sorted(release.name for release in RELEASES.glob("*"))) or "none"
    return UserError(
        f"{folder}: there is no such release; there are: {names}", "ml release, or ml pull"
    )

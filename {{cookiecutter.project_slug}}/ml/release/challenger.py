"""`ml challenge`: which release scores or answers beside the champion.

Writes: the link serving/challenger → releases/<version>.
"""

from __future__ import annotations

from pathlib import Path

from ml.atomic import replace_link
from ml.bundle import CHALLENGER, RELEASES, load_bundle
from ml.errors import UserError


def challenge(version: str) -> None:
    """Point serving/challenger at a release, in one atomic rename; `off` takes it away.

    Raises:
        UserError: there is no such release here, or it is not sound.
    """
    if version == "off":
        CHALLENGER.unlink(missing_ok=True)
        print("serving/challenger: gone; the champion answers everything")
        return
    folder = RELEASES / version
    if not folder.is_dir():
        raise _no_such_release(folder)
    load_bundle(folder)
    replace_link(CHALLENGER, Path(RELEASES.name) / version)
    print(
        f"serving/challenger → {folder}\n"
        "next: serve.challenger in params.yaml says shadow or canary; then ml compare"
    )


def _no_such_release(folder: Path) -> UserError:
    names = ", ".join(sorted(release.name for release in RELEASES.glob("*"))) or "none"
    return UserError(
        f"{folder}: there is no such release; there are: {names}", "ml release, or ml pull"
    )

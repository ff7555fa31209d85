"""A commit and its data in a temporary folder, beside nothing of the project.

Reads: git's objects, DVC's cache, and DVC's remote where the cache does not hold the data.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ml.errors import UserError
from ml.release.lineage import DATA

if TYPE_CHECKING:
    from collections.abc import Iterator

DVC = Path(".dvc")


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The project's folder at a commit, with its data; it is removed in the end.

    A clone that shares git's objects, not a worktree of git: a call that was killed leaves nothing
    in the repository.

    Raises:
        UserError: git or DVC does not have it.
    """
    with tempfile.TemporaryDirectory(prefix="ml-rebuild-") as folder:
        top, inside = _git("rev-parse", "--show-toplevel"), _git("rev-parse", "--show-prefix")
        _git("clone", "--quiet", "--shared", "--no-checkout", top, folder)
        _git("-C", folder, "checkout", "--quiet", "--detach", commit)
        project = Path(folder) / inside
        _connect_to_cache(project)
        _fetch_data(project)
        yield project


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        reason = said[-1] if said else f"status {done.returncode}"
        raise UserError(
            f"git {' '.join(words[:2])}: {reason}",
            "fetch the commit that the release names (`git fetch --all`), then again",
        )
    return done.stdout.strip()


def _connect_to_cache(project: Path) -> None:
    """Use this project's cache and remotes there, by paths that hold anywhere."""
    local = DVC / "config.local"
    if local.is_file():
        shutil.copyfile(local, project / local)  # credentials of a remote
    run(project, "config", "--local", "cache.dir", str(_cache()))
    for name, url in _relative_remotes():
        run(project, "remote", "modify", "--local", name, "url", str((DVC / url).resolve()))


def _cache() -> Path:
    """The folder of DVC's cache, as DVC says."""
    return Path(run(Path(), "cache", "dir").strip()).resolve()


def _relative_remotes() -> list[tuple[str, str]]:
    """Remotes whose address is a path from .dvc/."""
    parser = ConfigParser()
    parser.read([DVC / "config", DVC / "config.local"], encoding="utf-8")
    urls = {
        section.split('"')[1]: parser[section]["url"]
        for section in parser.sections()
        if section.startswith("'remote") and "url" in parser[section]
    }
    return [(n, u) for n, u in urls.items() if "://" not in u and not Path(u).is_absolute()]


def _fetch_data(project: Path) -> None:
    if not (project / DATA).is_file():
        raise UserError(
            f"the release's commit has no {DATA}: the data were committed after it",
            "commit before `make release`; a later release can be made again",
        )
    try:
        run(project, "checkout", "--quiet", str(DATA))
    except UserError:
        run(project, "pull", "--quiet", str(DATA))


def run(project: Path, *words: str) -> str:
    """Run DVC in a folder with the code that lies there; what it printed.

    Raises:
        UserError: it stopped; its last line says why.
    """
    paths = os.pathsep.join(filter(None, (str(project.resolve()), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("error:", "ERROR:"))] or lines[-1:]
        said = f": {errors[0]}" if errors else ""
        command = f"dvc {' '.join(words[:2])}"
        raise UserError(
            f"`{command}` stopped with status {done.returncode}{said}",
            "make the data of the commit available (`dvc fetch --all-commits`), then again",
        )
    return done.stdout

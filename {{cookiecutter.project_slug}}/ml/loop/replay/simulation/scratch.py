"""A copy of the project in which a replay runs: `.replay/project`, under git and DVC of its own.

Everything that the loop writes, it writes there: data, versions, registry, journal, ledger.
Reads: the project's tracked and unignored files. Writes: .replay/, which git ignores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ml.clock import VARIABLE
from ml.errors import UserError, printable

REPLAY = Path(".replay")
COPY = REPLAY / "project"
CLOCK = REPLAY / "clock"
LOG = REPLAY / "log.txt"

# what was made of the project's own data: a replay makes its own
_OWN = ("data", "dvc.lock", "ledger.jsonl", "reports", "metrics", "bundle", "models")
_DVC_CONFIG = "[core]\n    analytics = false\n    autostage = true\n    check_update = false\n"
# a person's servers, keys and repositories are not for a replay to use
_NOT_PASSED = ("ML_", "MLFLOW_", "JOURNAL_", "ALERT_", "DVC_", "GIT_", "OTEL_", "PROMETHEUS_")


def make_copy() -> Path:
    """Copy the project of the current folder, in place of an earlier copy."""
    paths = _files()
    shutil.rmtree(REPLAY, ignore_errors=True)
    for path in paths:
        _copy(path, COPY / path)
    (COPY / ".dvc").mkdir(exist_ok=True)
    (COPY / ".dvc/config").write_text(_DVC_CONFIG, encoding="utf-8")
    _begin_repository()
    return COPY


def _files() -> list[Path]:
    """Tracked and unignored files that exist, but what was made of the project's own data."""
    listed = _git(Path(), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = [Path(name) for name in dict.fromkeys(listed.split("\0")) if name]
    return [p for p in paths if p.parts[0] not in _OWN and (p.is_file() or p.is_symlink())]


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, to, follow_symlinks=False)


def _begin_repository() -> None:
    _git(COPY, "init", "--quiet")
    settings = {"user.name": "replay", "user.email": "replay@localhost", "commit.gpgsign": "false"}
    for name, value in {**settings, "core.hooksPath": "/dev/null"}.items():
        _git(COPY, "config", name, value)
    commit("The project as it is", COPY)


def commit(message: str, folder: Path = Path()) -> None:
    """Commit everything, if there is anything."""
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(
            f"git {words[0]}: {printable(done.stderr.strip(), 400)}",
            "git init && git add --all && git commit -m 'First'",
        )
    return done.stdout


def environment() -> dict[str, str]:
    """The environment of all that runs in the copy: its own clock, nobody's servers."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith(_NOT_PASSED)}
    tools = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {VARIABLE: str(CLOCK.absolute()), "PATH": tools, "DO_NOT_TRACK": "1"}

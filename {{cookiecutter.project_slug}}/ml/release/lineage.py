"""Where a model comes from: git commit, dvc.lock, data, parameters (from git and DVC's files)."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from ml.ledger.chain import LEDGER
from ml.params import PARAMS

LOCK = Path("dvc.lock")
CONTRACT = Path("contract.yaml")
REQUIREMENTS = Path("requirements/dev.txt")
# what decides the bits of a model: who trains, converts, and answers
LIBRARIES = ("numpy", "scikit-learn", "scipy", "skl2onnx", "onnx", "onnxruntime")
DATA = Path("data/raw.dvc")
# what git compares with the commit: everything but the ledger, which releases write themselves
CODE = ("--", ":/", f":(exclude){LEDGER}")


def git_state() -> tuple[str | None, bool]:
    """The commit checked out and whether files differ from it.

    (None, True) where there is no commit or no git.
    """
    commit = _git("rev-parse", "HEAD")
    return commit or None, not commit or bool(_git("status", "--porcelain", *CODE))


def git_note(origin: dict[str, Any]) -> str | None:
    """What a release's lineage does not say of the code, in words; None where it says all."""
    if not shutil.which("git"):
        return "git is not installed: the release names no commit"
    if not origin["git_commit"]:
        return "there is no commit here yet: the release names none"
    if origin["git_dirty"]:
        return (
            f"files differ from commit {origin['git_commit'][:10]}: the release says so (git_dirty)"
        )
    return None


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:  # git is not installed
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def data_version() -> str:
    """DVC's hash of data/raw (md5 of the folder's listing, `….dir`), as `dvc add` recorded it."""
    return data_version_of(Path())


def data_version_of(project: Path) -> str:
    """The same of another folder of the project."""
    return str(_yaml(project / DATA)["outs"][0]["md5"])


def raw_params() -> dict[str, Any]:
    """params.yaml flattened to dotted keys."""
    return dict(_flat(_yaml(PARAMS), ""))


def _flat(values: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = prefix + key
        flat += _flat(value, f"{name}.") if isinstance(value, dict) else [(name, value)]
    return flat


def _yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML

    return dict(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def file_hash(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_hash(folder: Path) -> str:
    """One sha256 for a folder: over the names and hashes of its files, in order of their names."""
    listing = "".join(
        f"{path.name} {file_hash(path)}\n" for path in sorted(folder.iterdir()) if path.is_file()
    )
    return hashlib.sha256(listing.encode()).hexdigest()


def environment() -> dict[str, Any]:
    """What decides a model's bits besides code, data and parameters."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


def _processor() -> str | None:
    """The processor's model name; None where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)


def lineage() -> dict[str, Any]:
    """What git and DVC know of the bundle that lies in the project now, and what made it."""
    commit, dirty = git_state()
    return {
        "git_commit": commit,
        "git_dirty": dirty,
        "dvc_lock": file_hash(LOCK),
        "data": data_version(),
        "contract": file_hash(CONTRACT),
        "requirements": file_hash(REQUIREMENTS) if REQUIREMENTS.is_file() else None,
        "environment": environment(),
        "params": raw_params(),
    }

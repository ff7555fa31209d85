"""Files, folders' links and JSON that a reader sees old or new, never half written.

Each is made as a draft beside its place (`.<name>.draft`), synced and renamed. A killed process
leaves the draft, which whoever owns the folder sweeps.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A draft to write to; it becomes `path` at the end, and is removed when the block fails."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        yield draft
        sync(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8)."""
    with staged(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    """Write values as indented JSON; folders that are missing are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")


def replace_link(link: Path, target: Path) -> None:
    """Point a symbolic link at a target, which is relative to the link's folder."""
    draft = link.with_name(f".{link.name}.draft")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
    sync(link.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for a lock file and hold it; a process that is killed lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sync(path: Path) -> None:
    """Return when a file's bytes, or a folder's entries, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

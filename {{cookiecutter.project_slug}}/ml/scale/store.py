"""A folder here or by its address; a file appears under its name when it is whole (`ml.atomic`)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from uuid import uuid4

from ml.atomic import DRAFT, errors_named, file_system, staged

OLD_DRAFT_SECONDS = 86_400  # a draft that nobody can still be writing to


class Store:
    """A folder to write outputs to.

    Args:
        address: of the folder; it need not be there.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.system, self.root = file_system(self.address)
        self.is_local = "file" in self.system.protocol

    def path(self, name: str) -> str:
        """A file's path, as the file system takes it."""
        return f"{self.root}/{name}"

    def sizes(self) -> dict[str, int]:
        """The bytes of each file that is there, by its name within the folder; drafts left out."""
        self.system.invalidate_cache()
        found = self.system.find(self.root, detail=True)
        return {
            path.removeprefix(f"{self.root}/"): int(info["size"])
            for path, info in found.items()
            if info["type"] == "file" and DRAFT not in path
        }

    def read(self, name: str) -> bytes:
        """A file's content."""
        content: bytes = self.system.cat_file(self.path(name))
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        with self.draft(name) as draft:
            draft.write_bytes(content)

    def write_json(self, name: str, values: Any) -> None:
        """Write values as indented JSON."""
        self.write(name, (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        if self.system.exists(self.path(name)):
            self.system.rm_file(self.path(name))

    @contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        """A local file to write to, which becomes `name` at the end.

        Two processes that write the same file have a draft each: whoever ends last replaces the
        other's file by the same bytes.
        """
        if self.is_local:
            path = Path(self.path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            with staged(path, f".{uuid4().hex[:8]}") as draft:
                yield draft
            return
        with TemporaryDirectory() as folder, errors_named(Path(folder)):
            draft = Path(folder) / "draft"
            yield draft
            self.system.put_file(str(draft), self.path(name))

    def open(self, name: str) -> IO[bytes]:
        """A file to read from anywhere within it."""
        file: IO[bytes] = self.system.open(self.path(name), "rb")
        return file

    def fetch(self, folder: str, target: Path) -> None:
        """Copy a folder's files here."""
        root = self.path(folder).rstrip("/")
        for path in self.system.find(root):
            file = target / path.removeprefix(f"{root}/")
            file.parent.mkdir(parents=True, exist_ok=True)
            self.system.get_file(path, str(file))

    def sweep(self) -> None:
        """Remove drafts of processes that were killed."""
        if not self.is_local:
            return  # the drafts are in the temporary folder
        for path in Path(self.root).rglob(f".*{DRAFT}"):
            if time.time() - path.stat().st_mtime > OLD_DRAFT_SECONDS:
                path.unlink(missing_ok=True)

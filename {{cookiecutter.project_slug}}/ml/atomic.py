"""Files, folders' links and JSON that a reader sees old or new, never half written.

Each is made as a draft beside its place (`.<name>.draft`), synced and renamed. A killed process
leaves the draft, which whoever owns the folder sweeps. At an address (s3://bucket/file) an object
is there when it was put, or not at all; credentials and endpoint are the usual ones
(AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, a profile, the machine's own account).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any

from ml.errors import DISK_FULL, UserError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from numpy.typing import NDArray

DRAFT = ".draft"


@contextmanager
def staged(path: Path, mark: str = "") -> Iterator[Path]:
    """A draft to write to; it becomes `path` at the end, and is removed when the block fails.

    Args:
        path: of the file.
        mark: a part of the draft's name, where two processes may write the same file at once.
    """
    draft = path.with_name(f".{path.name}{mark}{DRAFT}")
    try:
        with errors_named(path, draft):
            yield draft
            sync(draft)
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def staged_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill; at the end it takes the place of `folder` and what is in it.

    A block that fails leaves `folder` as it was.
    """
    draft = folder.with_name(f".{folder.name}{DRAFT}")
    shutil.rmtree(draft, ignore_errors=True)  # of a killed process
    draft.mkdir(parents=True)
    try:
        with errors_named(folder):
            yield draft
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def errors_named(path: Path, draft: Path | None = None) -> Iterator[None]:
    """Give an error that names the draft, and a full disk that names no file, the file's name."""
    try:
        yield
    except OSError as error:
        is_nameless = error.filename is None and error.errno in DISK_FULL
        if is_nameless or error.filename == str(draft):
            error.filename = str(path)
        raise


def file_system(address: str) -> tuple[AbstractFileSystem, str]:
    """What opens an address, and the address as it takes it.

    Raises:
        UserError: nobody knows the address's kind.
    """
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise _no_address(address, error) from None
    return system, str(path)


def _no_address(address: str, error: Exception) -> UserError:
    return UserError(f"{address}: {error}", "give a path, or an address such as s3://bucket/name")


@contextmanager
def reading(address: str) -> Iterator[IO[bytes]]:
    """A file here or by its address, to read from anywhere within it."""
    system, path = file_system(address)
    with _open(system, path, "rb") as file:
        yield file


@contextmanager
def writing(address: str) -> Iterator[IO[bytes]]:
    """A file to write to that is there under its name or address when all is written.

    An object is streamed in parts, which are thrown away where the block fails.
    """
    system, path = file_system(address)
    if "file" in system.protocol:
        with staged(Path(path)) as draft, draft.open("wb") as here:
            yield here
        return
    file = _open(system, path, "wb", autocommit=False)
    try:
        yield file
        file.close()
        file.commit()
    except BaseException:
        file.discard()
        with suppress(AttributeError):  # of a file in memory, which needs none
            file.closed = True  # else it would be written once more when it is collected
        raise


def _open(system: AbstractFileSystem, path: str, mode: str, **more: bool) -> Any:
    try:
        return system.open(path, mode, **more)
    except ValueError as error:  # s3fs of a bucket without a file's name
        raise _no_address(path, error) from None


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8)."""
    with staged(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file."""
    with staged(path) as draft:
        draft.write_bytes(content)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as .npy, in which nothing is code."""
    import numpy as np

    with staged(path) as draft, draft.open("wb") as file:
        # numpy writes to a file by its own C code, whose error of a full disk has no number
        np.save(SimpleNamespace(write=file.write), array, allow_pickle=False)


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

"""The Parquet files at an address: a file, a folder or a pattern, here or in an object store.

Each with a digest of its content, by which its answers are named, and a mark by which a worker sees
that it is still the same file: of a local file SHA-256, and size and time; of an object its ETag.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml.atomic import file_system
from ml.errors import UserError, reachable
from ml.scale.code_digest import LENGTH, digest_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

SUFFIX = ".parquet"
READERS = 16  # footers are read by so many threads: most of the time is the way to the store
USAGE = "ml score 's3://bucket/in/*.parquet' s3://bucket/out/"


@dataclass(frozen=True)
class Table:
    """A Parquet file."""

    address: str  # from any folder
    name: str  # within what was asked for, without its suffix
    digest: str
    mark: str
    groups: tuple[int, ...]  # rows of each row group
    columns: tuple[str, ...]


def tables_at(source: str) -> list[Table]:
    """The files in the order of their names.

    Raises:
        UserError: there is none, or one is no Parquet file.
    """
    with reachable(source):
        system, path = file_system(source)
        base, paths = _listed(system, path)
        if not paths:
            raise UserError(f"{source}: there is no Parquet file", USAGE)
        with ThreadPoolExecutor(READERS) as threads:
            return list(threads.map(lambda found: _table(system, base, found), paths))


def _listed(system: AbstractFileSystem, path: str) -> tuple[str, list[str]]:
    """The folder that names are told from, and the files."""
    system.invalidate_cache()
    if any(sign in path for sign in "*?["):
        base = path[: min(path.index(sign) for sign in "*?[" if sign in path)].rpartition("/")[0]
        found = system.glob(path)
    elif system.isfile(path):
        return path.rpartition("/")[0], [path]
    else:
        base, found = path.rstrip("/"), system.find(path)
    return base, sorted(name for name in found if _is_table(name.removeprefix(f"{base}/")))


def _is_table(name: str) -> bool:
    """Whether readers of a folder of Parquet files take it: what begins with . or _ is not data."""
    return name.endswith(SUFFIX) and not any(part[0] in "._" for part in name.split("/") if part)


def _table(system: AbstractFileSystem, base: str, path: str) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = path.removeprefix(f"{base}/").removesuffix(SUFFIX)
    with system.open(path, "rb") as file:
        try:
            found = pq.ParquetFile(file)
        except pa.ArrowInvalid as error:
            raise UserError(f"{path}: not a Parquet file: {error}", USAGE) from None
        groups = tuple(found.metadata.row_group(i).num_rows for i in range(found.num_row_groups))
        columns = tuple(found.schema_arrow.names)
    mark = mark_of(system, path)
    digest = _content_digest(path) if "file" in system.protocol else mark
    return Table(str(system.unstrip_protocol(path)), name, digest, mark, groups, columns)


def mark_of(system: AbstractFileSystem, path: str) -> str:
    """What differs when a file was changed, read without reading the file."""
    system.invalidate_cache()
    info = system.info(path)
    changes = repr(info["mtime"]) if "file" in system.protocol else _etag(system, path, info)
    return digest_of(str(info["size"]), changes)


def _etag(system: AbstractFileSystem, path: str, info: dict[str, Any]) -> str:
    """An object's ETag, or what else its store says when it was changed."""
    return str(info.get("ETag") or info.get("etag") or system.ukey(path))


def _content_digest(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123  (a path as fsspec gives it)
        return hashlib.file_digest(file, "sha256").hexdigest()[:LENGTH]

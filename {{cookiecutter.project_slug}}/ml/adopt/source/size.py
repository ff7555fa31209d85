"""How large a table is once it is unpacked: 461 kB of gzip can hold 20 million rows.

So many do not fit into memory: the size is checked before anything else reads the file, and the
check reads no further than the limit.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from ml.dataset.csv_file import UNREADABLE, is_packed, open_bytes
from ml.dataset.reader import is_parquet
from ml.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# all parts, unpacked: adopt needs a few times that as memory, a laptop has 8 to 16 GB
MAX_BYTES = 2_000_000_000
MAX_RATIO = 100  # unpacked to packed: tables reach 5 to 30, a repeated row about 1,000
FREE_BYTES = 100_000_000  # up to this size any ratio is fine
CHUNK_BYTES = 1 << 22
CELL_BYTES = 8  # of one value in memory, at least
BATCH_ROWS = 1024


def check_size(paths: list[Path], max_bytes: int | None = None) -> None:
    """Refuse parts that are too large, or that unpack to many times their size.

    Args:
        paths: all parts.
        max_bytes: what a person allows (MAX_BYTES=…); None: the constants above.

    Raises:
        UserError: it names the limit and how to raise it.
    """
    limit = max_bytes or MAX_BYTES
    free = limit
    for path in paths:
        most = free if max_bytes else min(free, _usual_bytes(path))
        size = _size_up_to(path, most)
        if size > most:
            raise _too_packed(path, most) if most < free else _too_large(path, limit)
        free -= size


def _usual_bytes(path: Path) -> int:
    """What a file of this size unpacks to at most, if it is a usual table."""
    return max(FREE_BYTES, MAX_RATIO * path.stat().st_size)


def _size_up_to(path: Path, most: int) -> int:
    """The unpacked size; a larger one is counted until it exceeds `most`."""
    size = 0
    for piece in _sizes(path):
        size += piece
        if size > most:
            break
    return size


def _too_packed(path: Path, most: int) -> UserError:
    packed = path.stat().st_size
    return UserError(
        f"{path}: its {packed:,} bytes unpack to more than {most:,}; a usual table unpacks to"
        f" {MAX_RATIO} times its size at most",
        f"if you trust the file, repeat with MAX_BYTES={MAX_BYTES} (bytes, unpacked)",
    )


def _too_large(path: Path, limit: int) -> UserError:
    return UserError(
        f"{path}: unpacked, the table is larger than the limit of {limit:,} bytes",
        f"give fewer rows, or repeat with MAX_BYTES={2 * limit} (bytes, unpacked; it needs a few"
        " times that as memory)",
    )


def _sizes(path: Path) -> Iterator[int]:
    """The unpacked size, piece by piece.

    A damaged file only ends it: the reader says later what is wrong with the file.
    """
    if is_parquet(path):
        yield from _parquet_sizes(path)
    elif is_packed(path):
        yield from _gzip_sizes(path)
    else:
        yield path.stat().st_size


def _gzip_sizes(path: Path) -> Iterator[int]:
    with suppress(*UNREADABLE), open_bytes(path) as file:
        yield from map(len, iter(lambda: file.read(CHUNK_BYTES), b""))


def _parquet_sizes(path: Path) -> Iterator[int]:
    """Rows are counted before they are read: a column of one repeated value takes no space."""
    try:
        file = pq.ParquetFile(path)
        counted = file.metadata.num_rows * file.metadata.num_columns * CELL_BYTES
        yield counted
        size = 0
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            size += batch.nbytes
            if size > counted:
                yield size - counted
                counted = size
    except UNREADABLE:
        return

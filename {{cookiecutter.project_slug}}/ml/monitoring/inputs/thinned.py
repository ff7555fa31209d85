"""A random part of a stream of rows, the same however the stream was divided.

Each row has a key, a number from its prediction id. Rows whose key lies below a limit are kept; the
limit is halved until no more than so many rows are kept. So which rows are kept depends on the rows
alone, and parts that were thinned apart come to the same as all rows at once.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.journal.records import ID, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Keys = NDArray[np.uint64]

KEY = "\0key"  # a column beside the contract's, which has no such name


def keys_of(entry_ids: Sequence[str], rows: Sequence[int]) -> Keys:
    """A key for each row of some entries: evenly spread over 64 bits.

    A row that stands alone, in an export or because others of its request were removed, has the key
    that it had in its request.
    """
    held = [_held(each, n) for each, n in zip(entry_ids, rows, strict=True)]
    of_entry = np.array([zlib.crc32(each.encode()) for each, _ in held], dtype=np.uint64)
    first = np.array([place for _, place in held], dtype=np.int64)
    place = (np.repeat(first, rows) + places(rows)).astype(np.uint64)
    return _mixed((np.repeat(of_entry, rows) << np.uint64(32)) + place)


def _held(entry_id: str, rows: int) -> tuple[str, int]:
    """The entry that first held an entry's rows, and the place of the first of them."""
    return (entry_id, 0) if rows > 1 or len(entry_id) <= ID else place_of(entry_id)


def places(rows: Sequence[int]) -> NDArray[np.int64]:
    """Of each row its place in its entry."""
    counts = np.array(rows, dtype=np.int64)
    begins = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) - np.repeat(begins, counts)


def _mixed(values: Keys) -> Keys:
    """SplitMix64's finalizer (Steele, Lea, Flood 2014): each bit of the result hangs on all."""
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


class Thinned:
    """Rows of a stream, all of them up to twice `limit`, then at most so many.

    Args:
        limit: rows.
        schema: of the tables that are added, with the column KEY.
    """

    def __init__(self, limit: int, schema: pa.Schema) -> None:
        self.halvings = 0
        self.limit, self._schema = limit, schema
        self._parts: list[pa.Table] = []

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def add(self, table: pa.Table) -> None:
        """Take a table's share."""
        self._parts.append(self._below(table))
        halve_together([self])

    def merge(self, later: Thinned) -> None:
        """Add what another one has kept of the rows that follow."""
        halve_together([self, later])
        self._parts += later._parts

    def halve(self, halvings: int) -> None:
        """Lower the limit of the keys to that of so many halvings."""
        if halvings > self.halvings:
            self.halvings = halvings
            # many small chunks, or empty ones, would outweigh the rows that are left
            self._parts = [self._below(self.table()).combine_chunks()]

    def table(self) -> pa.Table:
        """The rows that are kept, in the order in which they came."""
        return pa.concat_tables([self._schema.empty_table(), *self._parts])

    def _below(self, table: pa.Table) -> pa.Table:
        if not self.halvings:
            return table
        below = pc.less(table[KEY], pa.scalar(1 << (64 - self.halvings), pa.uint64()))
        return table.filter(below)


def halve_together(streams: Sequence[Thinned]) -> None:
    """Halve the limit of some streams' keys until all together keep no more than one may."""
    while True:
        halvings = max(each.halvings for each in streams)
        for each in streams:
            each.halve(halvings)
        if sum(map(len, streams)) <= 2 * streams[0].limit:
            return
        streams[0].halve(halvings + 1)


class Distinct:
    """How often numbers of a stream repeat, from all numbers up to twice `limit` different ones.

    Of more a random part of the numbers is counted, each with all its repetitions.

    Args:
        limit: different numbers.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._halvings = limit, 0
        self._values, self._counts = np.empty(0), np.empty(0, dtype=np.int64)
        self._new: list[tuple[Floats, NDArray[np.int64]]] = []
        self._waiting = 0

    def add(self, values: Floats) -> None:
        """Count some numbers."""
        self._add(values, np.ones(len(values), dtype=np.int64))

    def merge(self, other: Distinct) -> None:
        """Count what another one has counted."""
        other._gather()
        self._halvings = max(self._halvings, other._halvings)
        self._add(other._values, other._counts)
        self._gather()

    def _add(self, values: Floats, counts: NDArray[np.int64]) -> None:
        self._new.append((values, counts))
        self._waiting += len(values)
        if self._waiting > self._limit:
            self._gather()

    def _gather(self) -> None:
        """Put the counts of equal numbers together."""
        values, counts = map(
            np.concatenate, zip((self._values, self._counts), *self._new, strict=True)
        )
        self._new, self._waiting = [], 0
        self._values, place = np.unique(values, return_inverse=True)
        self._counts = np.zeros(len(self._values), dtype=np.int64)
        np.add.at(self._counts, place, counts)
        self._thin()

    def _thin(self) -> None:
        keys = _mixed(self._values.view(np.uint64))
        while True:
            if self._halvings:
                kept = keys < np.uint64(1 << (64 - self._halvings))
                keys, self._values, self._counts = (
                    keys[kept],
                    self._values[kept],
                    self._counts[kept],
                )
            if len(self._values) <= 2 * self._limit:
                return
            self._halvings += 1

    def repeated_share(self) -> float:
        """Share of the numbers that an earlier one equals; 0 of none."""
        self._gather()
        total = int(self._counts.sum())
        return 1 - len(self._values) / total if total else 0.0

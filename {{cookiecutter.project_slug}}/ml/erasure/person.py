"""A person in the ledger: a slow, salted hash of each row id, never the id.

A plain hash would name the person: row ids are customer numbers, and somebody who tries all of them
has found theirs in seconds. With scrypt (RFC 7914) each try takes some 50 ms and 16 MB, and the
salt, another for each line, makes every line a search of its own. Who knows an id, as an auditor
who asks whether it was forgotten, needs one try for each line.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ml.ledger.chain import Entry

COST = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}
ROW_IDS = "row_ids"  # key of an entry's `hashes`


def hashed(row_ids: Sequence[str]) -> dict[str, object]:
    """What the ledger keeps of some row ids."""
    salt = os.urandom(16)
    return {"salt": salt.hex(), ROW_IDS: sorted(_hash(row_id, salt) for row_id in set(row_ids))}


def is_about(entry: Entry, row_ids: Collection[str]) -> bool:
    """Whether an entry of the ledger is about exactly these row ids."""
    return bool(row_ids) and set(_known(entry)) == _hashes(entry, row_ids)


def names(entry: Entry, row_id: str) -> bool:
    """Whether an entry of the ledger is about this row id, and perhaps others."""
    return _hashes(entry, [row_id]) <= set(_known(entry))


def _known(entry: Entry) -> Sequence[str]:
    known: list[str] = entry.hashes.get(ROW_IDS, [])
    return known


def _hashes(entry: Entry, row_ids: Collection[str]) -> set[str]:
    """The hashes that these row ids would have in an entry."""
    salt = bytes.fromhex(entry.hashes.get("salt", ""))
    return {_hash(row_id, salt) for row_id in row_ids}


def _hash(row_id: str, salt: bytes) -> str:
    return hashlib.scrypt(row_id.encode(), salt=salt, **COST).hex()

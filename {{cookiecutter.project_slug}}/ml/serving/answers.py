"""From valid rows to the journal's entries and the bytes of the answer: the core that every route shares."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from pydantic_core import to_json

from ml.contract import Contract
from ml.serving.bundle import Bundle
from ml.serving.journal import Entry
from ml.serving.rows import Row, Rows


class Answered(NamedTuple):
    """One answered request: its valid rows, the journal's entries for them, and the answer's bytes."""

    rows: Sequence[Row]
    entries: Sequence[Entry]
    body: bytes


class Served:
    """A verified bundle together with what its contract asks of a request and says in an answer.

    Args:
        bundle: the model.
        max_rows: rows in one request at most.
    """

    def __init__(self, bundle: Bundle, max_rows: int) -> None:
        self.bundle = bundle
        self.rows = Rows(bundle.contract, max_rows)
        self._id = bundle.contract.id
        self._classes = [json.dumps(name, ensure_ascii=False) for name in bundle.contract.target.classes]
        # nine digits tell every float32 from its neighbor
        self._shares = "{" + ",".join(f"{name.replace('%', '%%')}:%.9g" for name in self._classes) + "}"

    def entries(self, rows: Sequence[Row], role: str = "champion") -> list[Entry]:
        """Answer valid rows.

        Raises:
            ArithmeticError: the model's answer is no finite number.
        """
        answers = self.bundle.answer(self.bundle.encoder.rows(rows)).tolist()
        at = time.time()
        named = zip(new_ids(at, len(rows)), rows, answers, strict=True)
        return [self._entry(name, row, values, at, role) for name, row, values in named]

    def _entry(self, name: str, row: Row, values: list[float], at: float, role: str) -> Entry:
        if not math.isfinite(sum(values)):
            raise ArithmeticError(f"version {self.bundle.version} answers {values}")
        row_id = row.pop(self._id, None) if self._id else None
        if self._classes:
            prediction = self._classes[values.index(max(values))]
            shares = self._shares % tuple(values)
        else:
            prediction, shares = f"{values[0]:.9g}", None
        known_as = None if row_id is None else str(row_id)
        return Entry(name, at, self.bundle.version, role, known_as, to_json(row).decode(), prediction, shares)

    def body(self, entries: Sequence[Entry], single: bool) -> bytes:
        """The answer's JSON, of the request's shape: one object, or an array."""
        if single:
            return _answer(entries[0]).encode()
        return ("[" + ",".join(map(_answer, entries)) + "]").encode()

    def ids(self, rows: Sequence[Row]) -> list[str]:
        """What a canary's share sticks to: the rows' ids; a row without one gets a random one."""
        given = [row.get(self._id) for row in rows] if self._id else [None] * len(rows)
        return [os.urandom(8).hex() if row_id is None else str(row_id) for row_id in given]


def _answer(entry: Entry) -> str:
    shares = "" if entry.probabilities is None else f',"probabilities":{entry.probabilities}'
    head = f'{{"prediction_id":"{entry.prediction_id}","model_version":{_quoted(entry.version)}'
    return f'{head},"prediction":{entry.prediction}{shares}}}'


@lru_cache(maxsize=8)
def _quoted(version: str) -> str:
    return json.dumps(version)


def new_ids(at: float, n: int) -> list[str]:
    """Prediction ids: 48 bits of milliseconds, so that they sort by time, then 80 random ones that nobody guesses."""
    stamp, random = f"{int(at * 1000):012x}", os.urandom(10 * n).hex()
    return [stamp + random[i : i + 20] for i in range(0, 20 * n, 20)]


def target_schema(contract: Contract) -> dict[str, object]:
    """JSON schema of `prediction`."""
    return {"enum": list(contract.target.classes)} if contract.is_classification else {"type": "number"}

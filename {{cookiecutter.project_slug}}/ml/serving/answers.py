"""From valid rows to the journal's entries and the bytes of the answer: the core that every route shares."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import repeat
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
        answers: list[list[float]] = self.bundle.answer(self.bundle.encoder.rows(rows)).tolist()
        if not math.isfinite(sum(map(sum, answers))):
            raise ArithmeticError(f"version {self.bundle.version} answers a number that is not finite")
        at, given = time.time(), self._given_ids(rows)
        features = [to_json(row).decode() for row in rows]
        predictions, shares = self._in_words(answers)
        version = self.bundle.version
        # whole columns at once: a function for each row would cost as much as the model
        columns = (repeat(at), repeat(version), repeat(role), given, features, predictions, shares)
        return list(map(Entry, new_ids(at, len(rows)), *columns))

    def _given_ids(self, rows: Sequence[Row]) -> Iterable[str | None]:
        """The rows' own ids, taken out of them: they are no features."""
        if self._id is None:
            return repeat(None)
        return [None if (row_id := row.pop(self._id, None)) is None else str(row_id) for row in rows]

    def _in_words(self, answers: list[list[float]]) -> tuple[list[str], Iterable[str | None]]:
        """Predictions and probabilities as the journal and the answer have them."""
        if not self._classes:
            return [f"{values[0]:.9g}" for values in answers], repeat(None)
        likeliest = [self._classes[values.index(max(values))] for values in answers]
        return likeliest, [self._shares % tuple(values) for values in answers]

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

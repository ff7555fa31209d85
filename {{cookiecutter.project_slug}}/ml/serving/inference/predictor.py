"""From valid rows to the journal's entries and the bytes of the answer; every route uses it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
import orjson

from ml.bundle import Bundle
from ml.clock import now
from ml.contract import Contract
from ml.journal.records import LARGEST, Record, id_begin, ids_of
from ml.params import Serve
from ml.request_schema.objects import Row
from ml.request_schema.rows import RequestSchema

Given = list[str | None] | None  # the rows' own ids; None: the contract has no id column


class Answer(NamedTuple):
    """A model's answer to a request: the journal's entries, and each row's answer as JSON."""

    entries: list[Record]
    texts: list[str]


class Answered(NamedTuple):
    """One answered request: its valid rows, their journal entries, and the answer's bytes."""

    rows: Sequence[Row]
    entries: Sequence[Record]
    body: bytes


class Predictor:
    """A verified bundle with the schema of its requests and the form of its answers.

    Args:
        bundle: the model.
        serve: the limits of a request.
    """

    def __init__(self, bundle: Bundle, serve: Serve) -> None:
        self.bundle = bundle
        self.rows = RequestSchema(bundle.contract, serve.max_rows, serve.max_days_ahead)
        self._id = bundle.contract.id
        self._classes = [
            json.dumps(name, ensure_ascii=False) for name in bundle.contract.target.classes
        ]
        self._shares = (
            "{" + ",".join(f"{name.replace('%', '%%')}:%s" for name in self._classes) + "}\n"
        )

    def answer(self, requests: Sequence[Sequence[Row]], role: str = "champion") -> list[Answer]:
        """Answer the valid rows of some requests, all in one run of the model.

        Raises:
            ArithmeticError: an answer of the model is no finite number.
        """
        given = [self._given_ids(rows) for rows in requests]
        every = requests[0] if len(requests) == 1 else list(chain.from_iterable(requests))
        try:
            predictions, shares = self._format_predictions(every)
        except Exception:
            self._put_back(requests, given)  # another model may answer them
            raise
        answers, begin = [], 0
        for rows, ids in zip(requests, given, strict=True):
            part = slice(begin, begin + len(rows))
            answers.append(self._answer(rows, ids, predictions[part], shares[part], role))
            begin += len(rows)
        return answers

    def _format_predictions(self, rows: Sequence[Row]) -> tuple[list[str], list[str]]:
        """Predictions and probabilities as the journal and the answer have them.

        A regression has no probabilities.
        """
        if not rows:
            return [], []
        values = self.bundle.answer(self.bundle.encoder.rows(rows))
        if not np.isfinite(values).all():
            raise ArithmeticError(
                f"version {self.bundle.version} answers a number that is not finite"
            )
        # the shortest numbers that tell every float32 from its neighbor, all of them in one call
        numbers = (
            orjson.dumps(values.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
            .decode()[1:-1]
            .split(",")
        )
        if not self._classes:
            return numbers, []
        likeliest = [self._classes[i] for i in values.argmax(axis=1).tolist()]
        return likeliest, (self._shares * len(rows) % tuple(numbers)).split("\n")[:-1]

    def _answer(
        self,
        rows: Sequence[Row],
        given: Given,
        predictions: list[str],
        shares: list[str],
        role: str,
    ) -> Answer:
        if len(rows) > LARGEST:
            parts = [slice(i, i + LARGEST) for i in range(0, len(rows), LARGEST)]
            answers = [
                self._answer(rows[p], given and given[p], predictions[p], shares[p], role)
                for p in parts
            ]
            return Answer(
                [entry for answer in answers for entry in answer.entries],
                [text for answer in answers for text in answer.texts],
            )
        if not rows:
            return Answer([], [])
        entry = self._entry(rows, given, predictions, shares, role)
        return Answer([entry], _texts(entry, predictions, shares))

    def _entry(
        self,
        rows: Sequence[Row],
        given: Given,
        predictions: list[str],
        shares: list[str],
        role: str,
    ) -> Record:
        """The journal's entry: one row's values as they are, those of several rows as arrays."""
        if len(rows) == 1:
            row_id, features = given[0] if given else None, orjson.dumps(rows[0]).decode()
            prediction, probabilities = predictions[0], shares[0] if shares else None
        else:
            row_id = orjson.dumps(given).decode() if given else None
            features = orjson.dumps(rows).decode()
            prediction, probabilities = _array(predictions), _array(shares) if shares else None
        at, version = now(), self.bundle.version
        return Record(
            new_id(at), at, version, role, row_id, features, prediction, probabilities, len(rows)
        )

    def _given_ids(self, rows: Sequence[Row]) -> Given:
        """The rows' own ids, taken out of them: they are no features."""
        if self._id is None:
            return None
        return [
            None if (row_id := row.pop(self._id, None)) is None else str(row_id) for row in rows
        ]

    def _put_back(self, requests: Sequence[Sequence[Row]], given: Sequence[Given]) -> None:
        """Undo `_given_ids`."""
        for rows, ids in zip(requests, given, strict=True):
            for row, row_id in zip(rows, ids or (), strict=False):
                if self._id is not None and row_id is not None:
                    row[self._id] = row_id

    def ids(self, rows: Sequence[Row]) -> list[str]:
        """The ids by which rows are assigned to a canary; a row without one gets a random one."""
        given = [row.get(self._id) for row in rows] if self._id else [None] * len(rows)
        return [os.urandom(8).hex() if row_id is None else str(row_id) for row_id in given]


def _texts(entry: Record, predictions: list[str], shares: list[str]) -> list[str]:
    """Each row's answer as JSON."""
    ids = ids_of(entry.prediction_id, entry.rows)
    head = f'","model_version":{_quoted(entry.version)},"prediction":'
    if not shares:
        return [f'{{"prediction_id":"{i}{head}{p}}}' for i, p in zip(ids, predictions, strict=True)]
    answers = zip(ids, predictions, shares, strict=True)
    return [f'{{"prediction_id":"{i}{head}{p},"probabilities":{s}}}' for i, p, s in answers]


def _array(items: list[str]) -> str:
    return f"[{','.join(items)}]"


def body_of(texts: list[str], single: bool) -> bytes:
    """The answer's JSON, of the request's shape: one object, or an array."""
    return texts[0].encode() if single else _array(texts).encode()


@lru_cache(maxsize=8)
def _quoted(version: str) -> str:
    return json.dumps(version)


def new_id(at: float) -> str:
    """An entry's id: 48 bits of milliseconds, then 80 random bits.

    So ids sort by time, and cannot be guessed.
    """
    return id_begin(at) + os.urandom(10).hex()


def target_schema(contract: Contract) -> dict[str, object]:
    """JSON schema of `prediction`."""
    return (
        {"enum": list(contract.target.classes)}
        if contract.is_classification
        else {"type": "number"}
    )

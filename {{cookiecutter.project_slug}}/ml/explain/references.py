"""The rows that an answer is compared with: held-out rows that the bundle holds as numbers.

`all` are evenly chosen from all of them, `plan=basic` from those of a level, `churned=no` from
those that the model answers with a class of the target: say, applicants who would be approved. The
evaluation writes the rows (`write_pool`), the export puts them into the bundle.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ml.atomic import write_array
from ml.contract import Boolean, Categorical, Contract
from ml.encode import features_of
from ml.errors import RefusedError, UserError, closest, listing, printable, refusal

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from numpy.typing import NDArray

    from ml.bundle import Bundle
    from ml.encode import Matrix

ALL = "all"
MIN_ROWS = 10  # fewer are persons, not a group
MOST_NUMBERS = 2_000_000  # of the rows in a bundle, 8 MB: hashed words take thousands a row
SEED = 0


def check_fixed(fixed: Collection[str], contract: Contract) -> None:
    """Check the names in `explain.fixed`.

    Raises:
        UserError: one is no column of the contract.
    """
    for name in fixed:
        if name not in contract.names:
            near = closest(name, contract.names)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise UserError(
                f'params.yaml: explain.fixed: "{name}" is no column of contract.yaml{hint}',
                "mend explain.fixed in params.yaml, then make flow",
            )


def write_pool(path: Path, x: Matrix, rows: int) -> None:
    """Write so many rows of the matrix (n, k), drawn with a fixed seed; without rows an empty one.

    Written as .npy: the same rows give the same bytes, and nothing in it is code.
    """
    most = min(rows, len(x), MOST_NUMBERS // max(1, x.shape[1]))
    drawn = np.random.default_rng(SEED).permutation(len(x))[:most]
    write_array(path, x[drawn])


@dataclass(frozen=True)
class Reference:
    """Rows to compare with, under a name.

    Args:
        name: as it was asked for.
        rows: the matrix (n, k).
        answers: the model's to them, (n, classes) or (n, 1).
    """

    name: str
    rows: Matrix
    answers: NDArray[np.float64]

    @cached_property
    def sha256(self) -> str:
        """Of the matrix's float32 numbers, row by row, little-endian."""
        return hashlib.sha256(np.ascontiguousarray(self.rows, "<f4").tobytes()).hexdigest()


class References:
    """The references of one bundle.

    Args:
        bundle: a verified model.
        rows: of one reference at most.

    Raises:
        RefusedError: the bundle holds no rows to compare with (409).
    """

    def __init__(self, bundle: Bundle, rows: int) -> None:
        if bundle.pool is None or len(bundle.pool) < MIN_ROWS:
            raise refusal(409, "no_reference", _no_rows(bundle.version), ("server",))
        self.pool = bundle.pool
        self._contract = bundle.contract
        self._most = rows
        self._answers = np.asarray(bundle.answer(self.pool), dtype=np.float64)
        self._named: dict[str, Reference] = {}

    def names(self) -> list[str]:
        """Every reference that has enough rows."""
        target = self._contract.target
        groups = [f"{target.name}={label}" for label in target.classes]
        groups += [group for _, group, _ in _groups(self._contract)]
        return [ALL, *(name for name in groups if len(self._members(name)) >= MIN_ROWS)]

    def named(self, name: str) -> Reference:
        """The reference of a name.

        Raises:
            RefusedError: there is no such group, or it has too few rows (422).
        """
        if name not in self._named:
            self._named[name] = self._chosen(name)
        return self._named[name]

    def _chosen(self, name: str) -> Reference:
        """Evenly spaced along the answers, so that their mean is close to the whole group's."""
        members = self._members(name)
        if len(members) < MIN_ROWS:
            raise _too_few(name, len(members), len(self.pool))
        likeliest = self._answers[members].argmax(axis=1)
        by_answer = members[np.lexsort((self._answers[members].max(axis=1), likeliest))]
        n = min(self._most, len(members))
        chosen = by_answer[((np.arange(n) + 0.5) * len(members) / n).astype(int)]
        return Reference(name, self.pool[chosen], self._answers[chosen])

    def _members(self, name: str) -> NDArray[np.intp]:
        """The places of a group's rows in the pool."""
        if name == ALL:
            return np.arange(len(self.pool))
        target = self._contract.target
        if name.startswith(f"{target.name}="):
            answered = name.removeprefix(f"{target.name}=")
            if answered in target.classes:
                likeliest = self._answers.argmax(axis=1)
                return np.flatnonzero(likeliest == target.classes.index(answered))
        for place, group, code in _groups(self._contract):
            if group == name:
                return np.flatnonzero(self.pool[:, place] == code)
        raise _unknown(name, self._contract)


def _groups(contract: Contract) -> list[tuple[int, str, float]]:
    """Each level's column in the matrix, name as a reference, and code."""
    groups: list[tuple[int, str, float]] = []
    place = 0
    for column in contract.columns:
        match column:
            case _ if not features_of(column):  # carried along, or for audits
                continue
            case Categorical(levels=levels):
                groups += [(place, f"{column.name}={v}", 1.0 * i) for i, v in enumerate(levels)]
            case Boolean():
                groups += [(place, f"{column.name}={v}", code) for v, code in _FLAGS]
        place += len(features_of(column))
    return groups


_FLAGS = (("true", 1.0), ("false", 0.0))


def _no_rows(version: str) -> str:
    return (
        f"version {version} holds no rows to compare with: its release is older than explanations, "
        "or explain.rows of params.yaml is 0"
    )


def _too_few(name: str, found: int, pool: int) -> RefusedError:
    msg = (
        f'reference "{printable(name)}": {found} of the {pool} rows in the bundle; '
        f"at least {MIN_ROWS} are needed"
    )
    return refusal(422, "reference", msg, ("query", "reference"))


def _unknown(name: str, contract: Contract) -> RefusedError:
    target = contract.target
    known = [ALL, *(f"{target.name}={c}" for c in target.classes)]
    known += [group for _, group, _ in _groups(contract)]
    msg = f'reference "{printable(name)}" is not known; there are: {listing(known)}'
    return refusal(422, "reference", msg, ("query", "reference"))

"""Shapley values of one answer: how much each column moves it away from the reference's mean.

A coalition's value is the model's mean answer when the columns in it are the explained row's and
all others a reference row's (interventional: Janzing et al. 2020). With few columns all coalitions
are asked (Shapley 1953); with more, permutations are drawn (Castro et al. 2009) in pairs of one and
its reverse (Mitchell et al. 2022), as many for each reference row, so that the contributions of
every draw add up to the answer minus that row's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import factorial

import numpy as np
from numpy.typing import NDArray

from ml.bundle import RUN
from ml.encode import Matrix

Floats = NDArray[np.float64]
Answer = Callable[[Matrix], Floats]  # matrix (n, k) → the explained number of each row, (n,)

EXACT_COLUMNS = 7  # 128 coalitions of each reference row, about as many as are sampled for it
LEAST_PAIRS = 2  # of permutations for each reference row: a standard error needs two
SEED = 0


@dataclass(frozen=True)
class Game:
    """One answer to explain.

    Args:
        answer: the model.
        row: the explained row's encoded values, (k,).
        value: its answer.
        reference: rows to compare with, (n, k).
        base: the answers to them, (n,).
        owner: for each of the k encoded values the place of its column, 0 to m - 1.
    """

    answer: Answer
    row: NDArray[np.float32]
    value: float
    reference: Matrix
    base: Floats
    owner: NDArray[np.intp]

    @property
    def columns(self) -> int:
        """How many columns share the answer."""
        return int(self.owner.max()) + 1

    def differs(self) -> NDArray[np.bool_]:
        """Where a reference row's column differs from the explained row's, (n, m).

        A column that does not differ contributes nothing, and nothing is asked for it.
        """
        same = (self.reference == self.row) | (np.isnan(self.reference) & np.isnan(self.row))
        differs = np.zeros((len(self.reference), self.columns), dtype=bool)
        for column in range(self.columns):
            differs[:, column] = ~same[:, self.owner == column].all(axis=1)
        return differs

    def mixed(self, rows: NDArray[np.intp], inside: NDArray[np.bool_]) -> Floats:
        """The answers where some columns are the explained row's, the others a reference row's.

        Args:
            rows: places of reference rows, (c,).
            inside: which columns are the explained row's, (c, m).
        """
        return self.answer(np.where(inside[:, self.owner], self.row, self.reference[rows]))


@dataclass(frozen=True)
class Contributions:
    """What each column contributes.

    Args:
        values: in the answer's unit, (m,).
        standard_errors: of the sampling alone, (m,); 0 where all coalitions were asked.
        draws: permutations; 0: all coalitions.
    """

    values: Floats
    standard_errors: Floats
    draws: int


def contributions(game: Game, draws: int) -> Contributions:
    """Exact Shapley values for few columns, else sampled with so many permutations or some more."""
    return exact(game) if game.columns <= EXACT_COLUMNS else sampled(game, draws)


def exact(game: Game) -> Contributions:
    """The Shapley values from all coalitions."""
    m = game.columns
    codes = np.arange(2**m)
    members = (codes[:, None] >> np.arange(m)) & 1 == 1  # (2^m, m)
    values = np.zeros(2**m)
    for row, differs in enumerate(game.differs()):
        values += _coalitions(game, row, members, codes, int(differs @ (1 << np.arange(m))))
    values /= len(game.reference)
    return Contributions(_weights(m) @ values, np.zeros(m), 0)


def _coalitions(
    game: Game, row: int, members: NDArray[np.bool_], codes: NDArray[np.intp], differs: int
) -> Floats:
    """The answers to all coalitions with one reference row; asked are those that change it."""
    asked = codes[(codes & ~differs) == 0]
    answers = np.empty(len(codes))
    answers[asked] = game.mixed(np.full(len(asked), row), members[asked])
    answers[0] = game.base[row]
    answers[differs] = game.value
    found: Floats = answers[codes & differs]
    return found


@lru_cache(maxsize=EXACT_COLUMNS + 1)
def _weights(m: int) -> Floats:
    """The weight of each coalition's value in each column's contribution, (m, 2^m)."""
    codes = np.arange(2**m)
    members = (codes >> np.arange(m)[:, None]) & 1 == 1  # (m, 2^m)
    size = members.sum(axis=0)
    order = [factorial(max(s - 1, 0)) * factorial(m - s) / factorial(m) for s in range(m + 1)]
    less = [factorial(s) * factorial(max(m - s - 1, 0)) / factorial(m) for s in range(m + 1)]
    weights: Floats = np.where(members, np.array(order)[size], -np.array(less)[size])
    return weights


def sampled(game: Game, draws: int) -> Contributions:
    """The mean over permutations: what a column changes when it joins those before it.

    The standard error is that of the pairs' mean, from their scatter within each reference row.
    """
    n, m = len(game.reference), game.columns
    pairs = max(LEAST_PAIRS, draws // (2 * n))
    ranks, rows = _ranks(n, pairs, m), np.repeat(np.arange(n), pairs * 2)
    together = max(1, RUN // m)  # draws, so that all coalitions of a draw are in one run
    parts = [slice(i, i + together) for i in range(0, len(ranks), together)]
    differs = game.differs()
    changes = [_changes(game, rows[part], ranks[part], differs) for part in parts]
    by_pair = np.concatenate(changes).reshape(n, pairs, 2, m).mean(axis=2)
    within = by_pair.var(axis=1, ddof=1) / pairs  # of each reference row's mean, (n, m)
    errors = np.sqrt(within.sum(axis=0)) / n
    return Contributions(by_pair.mean(axis=(0, 1)), errors, len(ranks))


@lru_cache(maxsize=32)
def _ranks(n: int, pairs: int, m: int) -> NDArray[np.int16]:
    """The place of each column in each draw's permutation, (draws, m); always the same."""
    rng = np.random.default_rng(SEED)
    drawn = rng.permuted(np.tile(np.arange(m, dtype=np.int16), (n * pairs, 1)), axis=1)
    return np.stack([drawn, m - 1 - drawn], axis=1).reshape(-1, m)


def _changes(
    game: Game, rows: NDArray[np.intp], ranks: NDArray[np.int16], differs: NDArray[np.bool_]
) -> Floats:
    """What each column changes when it joins, in each of some draws, (d, m).

    Args:
        game: the answer to explain.
        rows: the place of each draw's reference row, (d,).
        ranks: the place of each column in each draw, (d, m).
        differs: where a reference row's column differs, (n, m).
    """
    order = np.argsort(ranks, axis=1)  # which column joins at each step
    joins = np.take_along_axis(differs[rows], order, axis=1)  # and whether it changes the row
    values = _values(game, rows, ranks, joins)
    steps = np.arange(1, ranks.shape[1] + 1)
    known = np.maximum.accumulate(np.where(joins, steps, 0), axis=1)  # a step without a change
    after = np.take_along_axis(values, known, axis=1)  # leaves the value of the step before
    changed = np.diff(after, axis=1, prepend=values[:, :1])
    return np.take_along_axis(changed, ranks.astype(np.intp), axis=1)


def _values(
    game: Game, rows: NDArray[np.intp], ranks: NDArray[np.int16], joins: NDArray[np.bool_]
) -> Floats:
    """The answers before the first step of each draw and after those that change its row."""
    draws, m = ranks.shape
    values = np.empty((draws, m + 1))
    values[:, 0], values[:, 1:] = game.base[rows], game.value
    # after the last column that differs the row is the explained one
    draw, step = np.nonzero(joins & (np.arange(m) < _last(joins)[:, None]))
    if len(draw):
        values[draw, step + 1] = game.mixed(rows[draw], ranks[draw] <= step[:, None])
    return values


def _last(joins: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The last step that changes the row; -1 where none does."""
    last = joins.shape[1] - 1 - joins[:, ::-1].argmax(axis=1)
    return np.where(joins.any(axis=1), last, -1)

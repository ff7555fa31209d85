"""Slices in which answers are wrong more often than in rows that the model was as sure of.

Every level of the columns that have levels is a candidate, and every pair of levels of two columns.
A level may be hard for any model; what is looked for is a slice that the model does not know to be
hard. So rows are compared within twentieths of the model's confidence (Mantel and Haenszel 1959).
These are weighed by the inverse of their standard deviation: ten wrong answers more say more where
few are wrong.

The p-values are one-sided and corrected for the number of candidates (Bonferroni; pairs have four
fifths of the allowance), so that where no slice is worse any slice is named in 5 % of the runs at
most. The best slice is named, its rows are left out, and the rest is searched again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]
    Marks = NDArray[np.bool_]

ALPHA = 0.05  # false-discovery rate: share of runs without a worse slice that name one
NAMED = 5  # slices at most
STRATA = 20
ALLOWANCE = {1: 0.2, 2: 0.8}  # of levels, of pairs: there are many more of these
LEAST_VARIANCE = 1e-3  # of a stratum's rows, for its weight
LEAST_SKEWNESS = 1e-3  # below it the normal distribution is as good
WORST = 0.2  # share of a stratum's largest errors that count as wrong, of numbers


class Levels(NamedTuple):
    """A column as codes: places in `names`, -1 where a row has none of them."""

    column: str
    names: tuple[str, ...]
    codes: Codes


class WorseSlice(NamedTuple):
    """A slice that was found.

    Args:
        where: column and level, or two of them.
        rows: of the slice.
        wrong: share of them that is wrong.
        expected: the same among rows that the model was as sure of.
        p_value: after correction for all candidates.
    """

    where: tuple[tuple[str, str], ...]
    rows: int
    wrong: float
    expected: float
    p_value: float


class _Candidates(NamedTuple):
    """The levels of a column, or the pairs of levels of two: `of` says which each row is in."""

    columns: tuple[Levels, ...]
    of: Codes
    cells: int


def worse_slices(
    columns: Sequence[Levels], wrong: Marks, confidence: Floats, min_rows: int
) -> list[WorseSlice]:
    """The slices that are shown to be worse, the surest first.

    Args:
        columns: what may be combined.
        wrong: which answers are wrong, (n,).
        confidence: how sure the model was of each, (n,), in any unit.
        min_rows: a slice with fewer rows is no candidate.
    """
    stratum = _strata(confidence)
    candidates = list(_candidates([_without_rare(each, min_rows) for each in columns]))
    left, found = np.ones(len(wrong), dtype=bool), list[WorseSlice]()
    while len(found) < NAMED:
        best = _best(candidates, wrong, stratum, left, min_rows)
        if best is None or best[0].p_value > ALPHA:
            break
        found.append(best[0])
        left &= ~best[1]
    return found


def wrong_numbers(error: Floats, predicted: Floats) -> Marks:
    """Which errors of numbers are among the largest of rows with a like prediction, (n,)."""
    stratum, size = _strata(predicted), np.abs(error)
    limit = np.array([np.quantile(size[stratum == s], 1 - WORST) for s in range(stratum.max() + 1)])
    return np.asarray(size > limit[stratum])


def _strata(values: Floats) -> Codes:
    """The twentieth of each value, (n,); equal values are in the same one."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, STRATA + 1)[1:-1]))
    # edges are interpolated: of a few different values none may lie between two of them
    _, place = np.unique(np.searchsorted(edges, values, side="left"), return_inverse=True)
    return place.astype(np.int64)


def _without_rare(levels: Levels, min_rows: int) -> Levels:
    """The column with its frequent levels alone."""
    counts = np.bincount(levels.codes[levels.codes >= 0], minlength=len(levels.names))
    kept = np.flatnonzero(counts >= min_rows)
    place = np.full(len(levels.names) + 1, -1)  # the last: of rows without a level
    place[kept] = np.arange(len(kept))
    return Levels(levels.column, tuple(levels.names[i] for i in kept), place[levels.codes])


def _candidates(columns: Sequence[Levels]) -> Iterator[_Candidates]:
    for each in columns:
        yield _Candidates((each,), each.codes, len(each.names))
    for first, second in combinations(columns, 2):
        width = len(second.names)
        both = (first.codes >= 0) & (second.codes >= 0)
        codes = np.where(both, first.codes * width + second.codes, -1)
        yield _Candidates((first, second), codes, len(first.names) * width)


def _best(
    candidates: Sequence[_Candidates], wrong: Marks, stratum: Codes, left: Marks, min_rows: int
) -> tuple[WorseSlice, Marks] | None:
    """The candidate with the smallest corrected p-value among the rows left, and its rows."""
    totals = np.stack(
        [np.bincount(stratum[rows], minlength=STRATA) for rows in (left, left & wrong)]
    )
    tested = [_tested(each, wrong, stratum, left, totals, min_rows) for each in candidates]
    corrected = _corrected(tested, [len(each.columns) for each in candidates])
    smallest = [np.nanmin(p_values, initial=np.inf) for p_values in corrected]
    i = int(np.argmin(smallest)) if smallest else 0
    if not smallest or np.isinf(smallest[i]):
        return None
    cell = int(np.nanargmin(corrected[i]))
    named = _named(candidates[i], tested[i], cell, min(1.0, float(smallest[i])))
    return named, left & (candidates[i].of == cell)


def _corrected(tested: Sequence[_Tested], kinds: Sequence[int]) -> list[Floats]:
    """The p-values times the number of candidates of their kind, by its share of the allowance."""
    number = {kind: _number(tested, kinds, kind) for kind in set(kinds)}
    return [
        each.p_values * number[kind] / ALLOWANCE[kind]
        for each, kind in zip(tested, kinds, strict=True)
    ]


def _number(tested: Sequence[_Tested], kinds: Sequence[int], kind: int) -> int:
    """How many candidates are levels (1), or pairs of levels (2)."""
    of_kind = [t for t, k in zip(tested, kinds, strict=True) if k == kind]
    return sum(int(np.isfinite(t.p_values).sum()) for t in of_kind)


class _Tested(NamedTuple):
    """Rows, wrong ones, those expected and the p-value of each cell; NaN: no candidate."""

    rows: Floats
    wrong: Floats
    expected: Floats
    p_values: Floats


def _tested(
    candidates: _Candidates,
    wrong: Marks,
    stratum: Codes,
    left: Marks,
    totals: NDArray[np.int64],
    min_rows: int,
) -> _Tested:
    inside = left & (candidates.of >= 0)
    place = candidates.of * STRATA + stratum
    rows, bad = (
        np.bincount(place[marks], minlength=candidates.cells * STRATA).reshape(-1, STRATA)
        for marks in (inside, inside & wrong)
    )
    share = totals[1] / np.maximum(totals[0], 1)
    p_values = _p_values(rows, bad, totals[0].astype(np.float64), share)
    p_values = np.where(rows.sum(axis=1) >= min_rows, p_values, np.nan)
    return _Tested(rows.sum(axis=1), bad.sum(axis=1), (rows * share).sum(axis=1), p_values)


def _p_values(rows: Codes, bad: Codes, all_rows: Floats, share: Floats) -> Floats:
    """One-sided p-values of each cell (cells, strata); NaN where no answer can be wrong.

    In a stratum a cell's wrong rows are hypergeometric. Their weighted sum has the tail of a
    Pearson type III distribution with its mean, variance and skewness: counts of few rows are
    skewed.
    """
    spread = share * (1 - share)
    weight = np.where(spread > 0, np.maximum(spread, LEAST_VARIANCE) ** -0.5, 0.0)
    rest = np.clip((all_rows - rows) / np.maximum(all_rows - 1, 1), 0, 1)
    variance = rows * spread * rest
    lean = (1 - 2 * share) * (all_rows - 2 * rows) / np.maximum(all_rows - 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt((weight**2 * variance).sum(axis=1))
        score = (weight * (bad - rows * share)).sum(axis=1) / deviation
        skewness = (weight**3 * variance * lean).sum(axis=1) / deviation**3
    return np.where(deviation > 0, _upper_tail(score, skewness), np.nan)


def _upper_tail(score: Floats, skewness: Floats) -> Floats:
    """Of a Pearson type III distribution with mean 0, variance 1 and a skewness of 0 or more."""
    shape = 4 / np.maximum(skewness, LEAST_SKEWNESS) ** 2
    return np.asarray(special.gammaincc(shape, np.maximum(shape + score * np.sqrt(shape), 0)))


def _named(candidates: _Candidates, tested: _Tested, cell: int, p_value: float) -> WorseSlice:
    codes = [cell]
    if len(candidates.columns) == 2:
        codes = list(divmod(cell, len(candidates.columns[1].names)))
    where = tuple(
        (levels.column, levels.names[code])
        for levels, code in zip(candidates.columns, codes, strict=True)
    )
    rows = int(tested.rows[cell])
    wrong, expected = float(tested.wrong[cell]) / rows, float(tested.expected[cell]) / rows
    return WorseSlice(where, rows, wrong, expected, p_value)

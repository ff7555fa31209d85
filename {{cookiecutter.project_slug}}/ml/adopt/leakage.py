"""Leaks: columns from which the target can be read, alone or a few together.

Small trees and least squares are fitted on half of up to `SAMPLE` rows and judged on the other
half. A score that is too good is not always a leak: nothing is dropped here, and each warning names
the option that drops the column.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.adopt.columns.name_hints import words_of
from ml.adopt.command_line import between_commas, setting
from ml.adopt.small_tree import grow_and_ask
from ml.contract import Column, Contract, Datetime, Integer, Numeric, Text
from ml.dataset.frame import encode_frame, target_codes, typed
from ml.encode import Encoder
from ml.metrics import measure, roc_area

SAMPLE = 20_000
ALONE = 0.98  # held-out ROC AUC or R² of one column from which it may be a leak
TOGETHER = 0.999  # the same for up to `SET` columns
ORDERS = 0.9  # the same for an identifier
SET = 3
SINGLE_LEAVES, JOINT_LEAVES = 64, 16  # of the trees on one column and on several
MIN_IMPORTANCE = 0.01  # of a column that a tree uses
BIRTHS = {"birth", "birthday", "birthdate", "born", "dob"}  # words of names
MIN_ROWS = 60  # fewer rows prove nothing
GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by it, made odd

Floats = NDArray[np.float64]


class Halves:
    """Rows to fit on and rows to judge on, drawn with a fixed seed.

    Args:
        contract: what a row is.
        table: typed rows (see `ml.pipeline.ingest`), without missing targets.
    """

    def __init__(self, contract: Contract, table: pa.Table) -> None:
        frame = typed(table.to_pandas(), contract)
        encoder = Encoder(contract.model_copy(update={"columns": _without_text(contract)}))
        self.classify = contract.is_classification
        self.columns = [f.column for f in encoder.features]
        self.x = encode_frame(frame, encoder).astype(np.float64)
        self.y: NDArray[Any] = target_codes(frame, contract)
        self.first = np.random.default_rng(0).random(len(frame)) < 0.5

    def score(self, x: Floats, leaves: int) -> tuple[float, Floats]:
        """Held-out quality of a small tree, and its importances.

        The quality is ROC AUC (the worst class against the rest) or R².
        """
        y_held = self.y[~self.first]
        answer = grow_and_ask(x, self.y, self.first, leaves)
        quality = (
            _worst_auc(y_held, answer.values)
            if self.classify
            else measure("r2", y_held, answer.values)
        )
        return quality, answer.importances

    def columns_of(self, name: str) -> Floats:
        """The encoded columns that one column of the table became."""
        return self.x[:, [i for i, column in enumerate(self.columns) if column == name]]


def _worst_auc(y: NDArray[Any], shares: Floats) -> float:
    """The lowest ROC AUC of a class against the rest, of the classes that some rows have.

    Args:
        y: (rows,) positions of classes.
        shares: (rows, classes) predicted probabilities.
    """
    areas = [roc_area(y == code, share) for code, share in enumerate(shares.T)]
    return min((area for area in areas if not np.isnan(area)), default=0.0)


def _without_text(contract: Contract) -> tuple[Any, ...]:
    return tuple(
        c.model_copy(update={"buckets": 0}) if isinstance(c, Text) else c for c in contract.columns
    )


def single_leaks(halves: Halves) -> dict[str, str]:
    """Column → warning, for each that predicts the target by itself."""
    measure = "AUC" if halves.classify else "R²"
    names = dict.fromkeys(halves.columns)
    scores = {name: halves.score(halves.columns_of(name), SINGLE_LEAVES)[0] for name in names}
    return {
        name: f"a leak? alone {measure} {score:.3f}; {_drop([name])}"
        for name, score in scores.items()
        if score >= ALONE
    }


def joint_leaks(halves: Halves, contract: Contract, known: set[str]) -> list[list[str]]:
    """Sets of a few columns that determine the target together, none of which does alone.

    Each is looked for among the columns that are left without those before it: whoever drops all
    of them is warned no more.

    Args:
        halves: rows to fit and judge on.
        contract: what a row is.
        known: columns that are leaks alone.
    """
    sets: list[list[str]] = []
    while names := _joint_leak(halves, contract, known.union(*sets)):
        sets.append(names)
    return sets


def _joint_leak(halves: Halves, contract: Contract, known: set[str]) -> list[str]:
    rest = [i for i, c in enumerate(halves.columns) if c not in known]
    if len(rest) < 2:
        return []
    return _set_of_tree(halves, rest) if halves.classify else _set_of_sum(halves, contract, rest)


def joint_warning(names: list[str]) -> str:
    """What a person should know of columns that determine the target together."""
    listed = " and ".join(f'"{n}"' for n in names)
    return f"{listed} together determine the target: a leak? then {_drop(names)}"


def _drop(names: list[str]) -> str:
    return setting("DROP", between_commas(names))


def _set_of_tree(halves: Halves, candidates: list[int]) -> list[str]:
    """The few columns of a small tree that classifies all but perfectly."""
    score, importances = halves.score(halves.x[:, candidates], JOINT_LEAVES)
    used = [i for i, share in zip(candidates, importances, strict=True) if share > MIN_IMPORTANCE]
    names = list(dict.fromkeys(halves.columns[i] for i in used))
    return names if score >= TOGETHER and len(names) <= SET else []


def _set_of_sum(halves: Halves, contract: Contract, candidates: list[int]) -> list[str]:
    """Columns of which the target is a sum, difference, product or quotient.

    Found by least squares on a few columns, as they are and as logarithms.
    """
    measured = [i for i in candidates if _is_measured(contract, halves.columns[i])]
    rows = np.isfinite(halves.x[:, measured]).all(axis=1)
    if len(measured) < 2 or rows.sum() < MIN_ROWS:
        return []
    x, y, first = halves.x[rows][:, measured], halves.y[rows], halves.first[rows]
    picked = _pursuit(x, y, first) or _pursuit_of_logarithms(x, y, first)
    return [halves.columns[measured[j]] for j in picked]


def _is_measured(contract: Contract, name: str) -> bool:
    return isinstance(contract.get(name), Numeric | Integer)


def _pursuit_of_logarithms(x: Floats, y: Floats, first: NDArray[np.bool_]) -> list[int]:
    """The same for products and quotients, of the columns that are positive throughout."""
    positive = np.flatnonzero((x > 0).all(axis=0))
    if len(positive) < 2 or not (y > 0).all():
        return []
    return [int(positive[j]) for j in _pursuit(np.log(x[:, positive]), np.log(y), first)]


def _pursuit(x: Floats, y: Floats, first: NDArray[np.bool_]) -> list[int]:
    """Up to `SET` columns whose linear fit leaves next to nothing.

    Found by orthogonal matching pursuit (Pati et al. 1993).
    """
    scaled = _standardised(x)
    picked: list[int] = []
    residual = y - y.mean()
    for _ in range(min(SET, x.shape[1])):
        picked.append(int(np.argmax(np.abs(scaled.T @ residual))))
        residual = _residual(scaled[:, picked], y, first)
        if _explained(residual[~first], y[~first]) >= TOGETHER:
            return picked if len(picked) > 1 else []
    return []


def _standardised(x: Floats) -> Floats:
    """Columns of mean 0 and standard deviation 1; a constant column becomes 0."""
    spread = x.std(axis=0)
    return np.asarray((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1))


def _residual(x: Floats, y: Floats, first: NDArray[np.bool_]) -> Floats:
    """What least squares, fitted on the first half, leave of `y` in all rows."""
    design = np.column_stack([np.ones(len(y)), x])
    fitted, *_ = np.linalg.lstsq(design[first], y[first], rcond=None)
    return np.asarray(y - design @ fitted)


def _explained(residual: Floats, y: Floats) -> float:
    """Share of the variance that is explained."""
    return float(1 - residual.var() / max(y.var(), 1e-300))


def ordering_leak(halves: Halves, name: str, numbers: Floats) -> dict[str, str]:
    """A warning where an identifier, which is no feature, orders the rows by their target."""
    score, _ = halves.score(np.nan_to_num(numbers)[:, None], SINGLE_LEAVES)
    return {name: "orders the target: rows sorted or numbered by it"} if score >= ORDERS else {}


def duplicates(codes: list[NDArray[np.int32]], contract: Contract) -> str | None:
    """A remark on rows that repeat others in every feature and the target.

    Args:
        codes: for each column the position of each row's text among the distinct ones.
        contract: says how rows will be split.
    """
    hashes = _row_hashes(codes)
    repeated = len(hashes) - len(np.unique(hashes))
    if repeated == 0:
        return None
    is_split_by_column = contract.time is not None or contract.id is not None
    side = (
        "on both sides of the split: a score too good"
        if is_split_by_column
        else "always on one side of the split"
    )
    return f"{repeated} rows equal another in every column; equal rows fall {side}"


def _row_hashes(codes: list[NDArray[np.int32]]) -> NDArray[np.uint64]:
    """A 64-bit hash of each row."""
    return reduce(_mixed, codes, np.zeros(len(codes[0]), dtype=np.uint64))


def _mixed(hashes: NDArray[np.uint64], codes: NDArray[np.int32]) -> NDArray[np.uint64]:
    """One more column in each hash: multiplied by the golden ratio (Fibonacci hashing)."""
    positive = codes.astype(np.int64).view(np.uint64) + np.uint64(1)
    product = (hashes ^ positive) * GOLDEN_RATIO
    return product ^ (product >> np.uint64(29))


def ignored_time(contract: Contract) -> str | None:
    """A remark where moments could order the rows and nobody said so."""
    likely = [c.name for c in contract.columns if _could_order(c)]
    if contract.time is not None or not likely:
        return None
    named = setting("TIME", likely[0])
    return f'the split ignores time; if "{likely[0]}" orders the rows: {named}'


def _could_order(column: Column) -> bool:
    """Whether it holds days of a year, and not of births, which order no rows."""
    is_dated = isinstance(column, Datetime) and not {"days", "month"}.isdisjoint(column.parts)
    return is_dated and words_of(column.name).isdisjoint(BIRTHS)

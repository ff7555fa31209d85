"""Compare the answers of a fitted scikit-learn pipeline with those of its ONNX form.

A model whose answers differ is refused: what is evaluated, released and served is the ONNX form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.encode import Feature, Matrix

ROWS = 10_000  # of the training data that are compared at most
EDGES = (0.0, -1.0, 1.0, 99.0, -1e9, 1e9, np.nan)
BASE_ROWS = 5  # rows that the edges are written into
EDGE_VALUES = 2_000_000  # of the matrix with one edge in each column; wider tables get a part of it


def rows_to_compare(x: Matrix, features: Sequence[Feature], seed: int) -> Matrix:
    """Some of the training rows, and rows at the edges of what a column may hold."""
    drawn = np.random.default_rng(seed).permutation(len(x))[:ROWS]
    return np.concatenate([x[drawn], edge_rows(x, features)])


def edge_rows(x: Matrix, features: Sequence[Feature]) -> Matrix:
    """Rows that data rarely hold.

    Every column at its extremes and beyond, codes that no level has, all values missing.
    """
    base = x[:BASE_ROWS]
    blocks = []
    for value in EDGES:
        blocks += [np.full_like(base, value), _one_at_a_time(base[0], value)]
    numbers = [i for i, feature in enumerate(features) if not feature.levels]
    if numbers:
        blocks += [_replaced(base, numbers, bounds) for bounds in _extremes(x[:, numbers])]
    return np.concatenate(blocks).astype(np.float32)


def _one_at_a_time(row: Matrix, value: float) -> Matrix:
    """A row for each column, in which that column alone has the value."""
    width = len(row)
    places = np.arange(min(width, max(1, EDGE_VALUES // width)))
    rows = np.repeat(row[None], len(places), axis=0)
    rows[places, places] = value
    return rows


def _extremes(numbers: Matrix) -> tuple[NDArray[Any], NDArray[Any]]:
    """The lowest and the highest of each column and 0 (so that a column may be all missing)."""
    return np.nanmin(numbers, axis=0, initial=0), np.nanmax(numbers, axis=0, initial=0)


def _replaced(rows: Matrix, columns: list[int], values: NDArray[Any]) -> Matrix:
    """A copy of the rows with other values in some columns."""
    copy = rows.copy()
    copy[:, columns] = values
    return copy


def difference(
    expected: NDArray[Any], given: NDArray[Any], contract: Contract
) -> NDArray[np.float64]:
    """How far two answer matrices are apart, row by row, shape (n,).

    Probabilities: absolute. Values: in units of the answers' standard deviation or of the value
    itself, whichever is larger, because a sum of float32 leaves is as exact as its largest terms,
    not as its total.
    """
    distance = np.abs(expected - given)
    if not contract.is_classification:
        distance = distance / np.maximum(np.abs(expected), expected.std() or 1.0)
    gap: NDArray[np.float64] = np.nan_to_num(distance.max(axis=1), nan=np.inf)
    return gap


def parity(
    expected: NDArray[Any], given: NDArray[Any], contract: Contract, tolerance: float
) -> dict[str, Any]:
    """Rows, largest difference, and labels that were flipped."""
    flipped = _labels_flipped(expected, given, tolerance) if contract.is_classification else 0
    return {
        "rows": len(expected),
        "largest_difference": float(difference(expected, given, contract).max()),
        "tolerance": tolerance,
        "labels_flipped": flipped,
    }


def _labels_flipped(expected: NDArray[Any], given: NDArray[Any], tolerance: float) -> int:
    """Rows with another label, where the best two classes are further apart than the tolerance."""
    ordered = np.sort(expected, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 2 * tolerance
    return int((clear & (expected.argmax(axis=1) != given.argmax(axis=1))).sum())


def refuse_difference(
    report: dict[str, Any],
    expected: NDArray[Any],
    given: NDArray[Any],
    gap: NDArray[Any],
    row: Callable[[int], str],
) -> None:
    """Raise a `UserError` that shows the worst row where ONNX and scikit-learn differ too much.

    Args:
        report: what `parity` found.
        expected: scikit-learn's answers.
        given: the ONNX model's answers.
        gap: `difference` of the two, shape (n,).
        row: gives a row's encoded values in words.
    """
    if report["largest_difference"] <= report["tolerance"] and not report["labels_flipped"]:
        return
    worst = int(gap.argmax())
    raise UserError(
        f"train: ONNX answers {given[worst].tolist()} where scikit-learn answers "
        f"{expected[worst].tolist()} (difference {gap[worst]:.2g}, "
        f"allowed {report['tolerance']:g}, {report['labels_flipped']} labels flipped in "
        f"{report['rows']} rows); the row: {row(worst)[:600]}",
        "choose another model in params.yaml (train.model) or ml/model.py; "
        "no scaler belongs in front of trees",
    )


def format_row(row: Matrix, features: Sequence[Feature]) -> str:
    """A row's encoded values by the names of its features."""
    return ", ".join(
        f"{feature.name}={value:g}" for feature, value in zip(features, row, strict=True)
    )

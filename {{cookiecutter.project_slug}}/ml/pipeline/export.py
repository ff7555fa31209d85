"""The fitted pipeline as a bundle that serves without scikit-learn.

Nothing is exported unless ONNX and scikit-learn answer alike.
Reads: contract.yaml, params.yaml (export, train), models/model.skops, data/test.parquet,
metrics/*.json, reports/evaluate/*.json. Writes: bundle/ (model.onnx, contract.json, model.json,
golden.json) and reports/parity.json.
Run: `python -m ml.pipeline.export` (dvc stage `export`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.atomic import write_json
from ml.bundle import onnx_answers, write_bundle
from ml.contract import Contract, load_contract
from ml.dataset.frame import encode_frame, read_table
from ml.encode import Encoder, Feature
from ml.errors import UserError
from ml.metrics import answers
from ml.model import STORED_TYPES
from ml.params import load_params
from ml.pipeline.artifacts import BUNDLE, EVALUATION, METRICS, MODELS, PARITY, TEST, load_model
from ml.pipeline.golden import golden_rows
from ml.pipeline.onnx_convert import to_onnx
from ml.pipeline.stage import run_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml.encode import Matrix

EDGES = (0.0, -1.0, 1.0, 99.0, -1e9, 1e9, np.nan)
BASE_ROWS = 5  # held-out rows that the edges are written into


def edge_rows(x: Matrix, features: Sequence[Feature]) -> Matrix:
    """Rows that held-out data rarely hold.

    Every column at its extremes and beyond, codes that no level has, all values missing.
    """
    base = x[:BASE_ROWS]
    blocks = []
    for value in EDGES:
        blocks += [np.full_like(base, value), _one_at_a_time(base[0], value)]
    return np.concatenate([*blocks, *_rows_at_extremes(x, features)]).astype(np.float32)


def _one_at_a_time(row: Matrix, value: float) -> Matrix:
    """A row for each column, in which that column alone has the value."""
    rows = np.repeat(row[None], len(row), axis=0)
    np.fill_diagonal(rows, value)
    return rows


def _rows_at_extremes(x: Matrix, features: Sequence[Feature]) -> list[Matrix]:
    """The first rows with all numbers at their lowest, and at their highest."""
    numbers = [i for i, feature in enumerate(features) if not feature.levels]
    if not numbers:
        return []
    return [_replaced(x[:BASE_ROWS], numbers, bounds) for bounds in _extremes(x[:, numbers])]


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
    scale = 1.0 if contract.is_classification else _spread(expected)
    gap = (np.abs(expected - given) / scale).max(axis=1)
    return np.asarray(np.nan_to_num(gap, nan=np.inf), dtype=np.float64)


def _spread(expected: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.maximum(np.abs(expected), expected.std() or 1.0))


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
    *_, second, best = np.sort(expected, axis=1).T
    differ = expected.argmax(axis=1) != given.argmax(axis=1)
    return int((differ & (best - second > 2 * tolerance)).sum())


def refuse_difference(
    report: dict[str, Any],
    expected: NDArray[Any],
    given: NDArray[Any],
    gap: NDArray[Any],
    row: Callable[[int], str],
) -> None:
    """Raise a `UserError` that shows the worst row where ONNX and scikit-learn differ too much.

    Args:
        report: what `parity` says of them.
        expected: scikit-learn's answers.
        given: the ONNX model's answers.
        gap: `difference` of the two, shape (n,).
        row: gives a row's encoded values in words.
    """
    if report["largest_difference"] <= report["tolerance"] and not report["labels_flipped"]:
        return
    worst = int(gap.argmax())
    raise UserError(
        f"models/model.skops: ONNX answers {given[worst].tolist()} where scikit-learn answers "
        f"{expected[worst].tolist()} (difference {gap[worst]:.2g}, {_format_parity(report)}); "
        f"the row: {row(worst)[:600]}",
        "choose another model in params.yaml (train.model) or ml/model.py; "
        "no scaler belongs in front of trees",
    )


def _format_parity(report: dict[str, Any]) -> str:
    return (
        f"allowed {report['tolerance']:g}, {report['labels_flipped']} labels flipped in "
        f"{report['rows']} rows"
    )


def main() -> None:
    """Convert, compare, refuse or write."""
    contract, params = load_contract(), load_params()
    encoder = Encoder(contract)
    fitted = load_model(MODELS / "model.skops", STORED_TYPES)
    model = to_onnx(fitted, contract)
    rows = golden_rows(contract, params.export.golden_rows)
    x = _rows_to_compare(contract, encoder, rows)
    expected, given = answers(fitted, x, contract), onnx_answers(model, x)
    report = parity(expected, given, contract, params.export.tolerance)
    write_json(PARITY, report)
    gap = difference(expected, given, contract)
    refuse_difference(report, expected, given, gap, lambda i: _format_row(x[i], encoder.features))
    _print_agreement(report)
    # what a server must reproduce is the answer of this very model: scikit-learn's may lie as far
    # off as parity allows
    golden = {"rows": rows, "answers": given[-len(rows) :].tolist()}
    write_bundle(BUNDLE, model, contract, _about(params.train.model, encoder), golden)


def _print_agreement(report: dict[str, Any]) -> None:
    agreement = f"{report['largest_difference']:.1g} on {report['rows']} rows"
    print(f"export: ONNX agrees to {agreement}", flush=True)


def _rows_to_compare(contract: Contract, encoder: Encoder, golden: list[dict[str, Any]]) -> Matrix:
    """The held-out rows, their edges, and the golden rows at the end."""
    held_out = encode_frame(read_table(TEST, contract), encoder)
    return np.concatenate([held_out, edge_rows(held_out, encoder.features), encoder.rows(golden)])


def _format_row(row: Matrix, features: Sequence[Feature]) -> str:
    return ", ".join(
        f"{feature.name}={value:g}" for feature, value in zip(features, row, strict=True)
    )


def _about(name: str, encoder: Encoder) -> dict[str, Any]:
    return {
        "model": name,
        **_json(EVALUATION / "summary.json"),
        "metrics": _json(METRICS / "model.json"),
        "baseline": _json(METRICS / "baseline.json"),
        "features": [feature.name for feature in encoder.features],
        "importance": _json(EVALUATION / "importance.json"),
    }


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_stage(main)

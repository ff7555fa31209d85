"""Windows of traffic in the journal, answered by the champion of the current folder, and outcomes.

The rows are those of `tests.conftest.write_customers`: charge and calls decide who leaves, in one
direction or, after a change of concept, in the other.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.bundle import CHAMPION, load_bundle
from ml.journal.bulk.scan import Span
from ml.journal.records import ids_of
from ml.journal.store import Journal
from ml.metrics import measure
from ml.params import load_params
from ml.serving.inference.predictor import Predictor, new_id

HOUR = 3600.0
BEGIN = time.time() - 400 * 24 * HOUR


def span(number: int) -> Span:
    """A day, so many days after the first."""
    return Span(BEGIN + number * 24 * HOUR, BEGIN + (number + 1) * 24 * HOUR)


def rows(
    n: int,
    seed: int,
    *,
    turned: bool | float = False,
    cents: bool = False,
    lowest: float = 0.0,
    poisoned: float = 0.0,
) -> list[dict[str, Any]]:
    """Rows with their outcome under `left`.

    Args:
        n: rows.
        seed: of the draws.
        turned: those leave who stayed before; a share: of so many rows.
        cents: a data fault: charge in cents.
        lowest: of the charges; above 0 other customers come (a covariate shift).
        poisoned: share of the outcomes that are turned round by mistake.
    """
    rng = np.random.default_rng(1000 + seed)
    charge, calls = rng.uniform(lowest, 200, n).round(2), rng.integers(0, 10, n)
    score = (charge - 100) / 30 + (calls - 5) / 3
    leaves = rng.random(n) < chance(score, turned)
    leaves ^= rng.random(n) < poisoned
    plans = rng.choice(["basic", "plus", "pro"], n)
    return [
        {
            "charge": float(c * (100 if cents else 1)),
            "calls": int(k),
            "plan": str(p),
            "left": "yes" if y else "no",
        }
        for c, k, p, y in zip(charge, calls, plans, leaves, strict=True)
    ]


def chance(score: NDArray[np.float64], turned: float) -> NDArray[np.float64]:
    """The true probability of leaving, (n,)."""
    stays = 1 / (1 + np.exp(score))
    return turned * stays + (1 - turned) * (1 - stays)


def loss(folder: Path, turned: float = 0.0) -> float:
    """A version's Brier score above that of the true probabilities, on rows that nobody had."""
    answered, truth = _answered(folder, turned)
    return float(np.square(answered - truth).mean())


def area(folder: Path | None, turned: float) -> float:
    """A version's area under the ROC curve on such rows; None: that of the true probabilities."""
    answered, truth = _answered(folder or CHAMPION, turned)
    y = (np.random.default_rng(1).random(len(truth)) < truth).astype(int)
    shown = truth if folder is None else answered
    return measure("roc_auc", y, np.column_stack([1 - shown, shown]))


def _answered(
    folder: Path, turned: float, n: int = 20_000
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of leaving by a version's answers, and the true ones, (n,) each."""
    bundle, given = load_bundle(folder), rows(n, 10**6)
    x = bundle.encoder.rows([{k: v for k, v in row.items() if k != "left"} for row in given])
    charge = np.array([row["charge"] for row in given])
    calls = np.array([row["calls"] for row in given])
    truth = chance((charge - 100) / 30 + (calls - 5) / 3, turned)
    return bundle.answer(x)[:, 1].astype(np.float64), truth


def serve(number: int, given: list[dict[str, Any]], *, labels: bool = True) -> Span:
    """Let the champion answer the rows within a window, and record their outcomes; the window."""
    window, predictor = span(number), Predictor(load_bundle(), load_params().serve)
    features = [
        {**{k: v for k, v in row.items() if k != "left"}, "customer": f"{number}-{i}"}
        for i, row in enumerate(given)
    ]
    (answer,) = predictor.answer([features])
    with closing(Journal()) as journal:
        step = (window.end - window.start) / (len(answer.entries) + 1)
        begin, records, ids = 0, [], []
        for i, entry in enumerate(answer.entries):
            at = window.start + (i + 1) * step
            records.append(entry._replace(prediction_id=new_id(at), at=at))
            ids += ids_of(records[-1].prediction_id, entry.rows)
            begin += entry.rows
        journal.append(records)
        if labels:
            outcomes = [(i, row["left"]) for i, row in zip(ids, given, strict=True)]
            journal.add_labels(outcomes, at=window.end - 1)
    return window

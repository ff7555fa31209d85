"""Champion against challenger on the traffic they both saw: `ml challenge 7`, later `ml compare`.

Reads: the journal. Shadow: both answered the same rows, so the difference is paired. Canary: each
answered its own share, so it is a difference of two samples. Only answers with a label count.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.encode import DAY_SECONDS
from ml.errors import UserError, printable
from ml.journal.records import SHADOW, SHADOW_SUFFIX, Prediction
from ml.journal.store import Journal

Z = 1.96  # two-sided 95 %

Scores = NDArray[np.float64]


def compare(days: float | None = None) -> dict[str, Any]:
    """Compare the two on labelled answers of the last `days` (None: all), print a table and return the figures.

    `accuracy` of classes, `absolute_error` of numbers; `difference` is challenger minus champion
    with its 95 % interval (normal approximation, paired where both answered the same rows).

    Raises:
        UserError: nothing to compare yet.
    """
    since = 0.0 if days is None else time.time() - days * DAY_SECONDS
    with closing(Journal()) as journal:
        answers = [
            replace(p, features={}) for p in journal.predictions(since, role=None) if _counts(p)
        ]
    shadow = [p for p in answers if p.role == SHADOW]
    result = _paired(answers, shadow) if shadow else _two_samples(answers)
    if result is None:
        raise UserError(
            "journal: there are no labelled answers of a challenger to compare with the champion's",
            "ml challenge VERSION, serve.challenger: shadow in params.yaml, traffic, then ml label",
        )
    _print(result)
    return result


def _counts(p: Prediction) -> bool:
    """Whether it is compared: by its own label, or as a shadow by its champion's."""
    return p.role == SHADOW or p.labelled_at is not None


def _paired(answers: Sequence[Prediction], shadow: Sequence[Prediction]) -> dict[str, Any] | None:
    labelled = {
        p.prediction_id: p for p in answers if p.role == "champion" and p.labelled_at is not None
    }
    pairs = [
        (labelled[key], p)
        for p in shadow
        if (key := p.prediction_id.removesuffix(SHADOW_SUFFIX)) in labelled
    ]
    if len(pairs) < 2:
        return None
    outcomes = [champion.outcome for champion, _ in pairs]
    ours = _scores((champion.prediction for champion, _ in pairs), outcomes)
    theirs = _scores((challenger.prediction for _, challenger in pairs), outcomes)
    difference = theirs - ours
    spread = float(difference.std(ddof=1)) / math.sqrt(len(pairs))
    agree = float(
        np.mean([champion.prediction == challenger.prediction for champion, challenger in pairs])
    )
    made = _result(
        "shadow", outcomes[0], pairs[0][0].version, pairs[0][1].version, ours, theirs, spread
    )
    return {**made, "pairs": len(pairs), "same_answer": agree}


def _two_samples(answers: Sequence[Prediction]) -> dict[str, Any] | None:
    ours = [p for p in answers if p.role == "champion" and p.labelled_at is not None]
    theirs = [p for p in answers if p.role == "canary" and p.labelled_at is not None]
    if len(ours) < 2 or len(theirs) < 2:
        return None
    a = _scores((p.prediction for p in ours), [p.outcome for p in ours])
    b = _scores((p.prediction for p in theirs), [p.outcome for p in theirs])
    spread = math.sqrt(float(a.var(ddof=1)) / len(a) + float(b.var(ddof=1)) / len(b))
    return _result("canary", ours[0].outcome, ours[-1].version, theirs[-1].version, a, b, spread)


def _scores(predictions: Iterator[Any], outcomes: Sequence[Any]) -> Scores:
    """Per row: 1 for the right class, or the absolute error of a number."""
    pairs = zip(predictions, outcomes, strict=True)
    return np.array([float(p == o) if isinstance(o, str) else abs(p - o) for p, o in pairs])


def _result(
    role: str, outcome: Any, ours: str, theirs: str, a: Scores, b: Scores, spread: float
) -> dict[str, Any]:
    measure = "accuracy" if isinstance(outcome, str) else "absolute_error"
    difference = float(b.mean() - a.mean())
    return {
        "role": role,
        "measure": measure,
        "champion": {"version": ours, "rows": len(a), measure: float(a.mean())},
        "challenger": {"version": theirs, "rows": len(b), measure: float(b.mean())},
        "difference": {
            "value": difference,
            "low": difference - Z * spread,
            "high": difference + Z * spread,
        },
    }


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    measure, console = result["measure"], Console(width=80)
    table = Table("", "version", "labelled rows", measure.replace("_", " "))
    for who in ("champion", "challenger"):
        side = result[who]
        table.add_row(
            who, escape(printable(side["version"])), f"{side['rows']:,}", f"{side[measure]:.4f}"
        )
    console.print(table)
    difference = result["difference"]
    better = "higher" if measure == "accuracy" else "lower"
    console.print(
        f"challenger minus champion ({result['role']}): {difference['value']:+.4f}, "
        f"95 % interval {difference['low']:+.4f} to {difference['high']:+.4f} ({better} is better)"
    )

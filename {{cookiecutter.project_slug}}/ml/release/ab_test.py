"""Champion against challenger on the traffic they both saw: `ml challenge 7`, later `ml compare`.

Reads: the journal. Shadow: both answered the same rows, so the difference is paired. Canary: each
answered its own share, so it is a difference of two samples. Only answers with a label count.
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.encode import DAY_SECONDS
from ml.errors import UserError, printable
from ml.journal.records import SHADOW, SHADOW_SUFFIX, Prediction
from ml.journal.store import Journal

Z = 1.96  # two-sided 95 % of the normal distribution

Scores = NDArray[np.float64]


@dataclass
class Sample:
    """Scores of one side's labelled answers, oldest first."""

    measure: str = ""
    first_version: str = ""
    latest_version: str = ""
    _scores: array[float] = field(default_factory=lambda: array("d"))

    def add(self, answer: Prediction, outcome: Any) -> None:
        """Score an answer: 1 for the right class, or the absolute error of a number."""
        is_class = isinstance(outcome, str)
        error = (
            float(answer.prediction == outcome) if is_class else abs(answer.prediction - outcome)
        )
        if not self._scores:
            self.measure = "accuracy" if is_class else "absolute_error"
            self.first_version = answer.version
        self.latest_version = answer.version
        self._scores.append(error)

    @property
    def scores(self) -> Scores:
        """Shape (n,)."""
        return np.array(self._scores)

    def __len__(self) -> int:
        return len(self._scores)


@dataclass
class Samples:
    """What the journal holds of champion and challenger."""

    champion: Sample = field(default_factory=Sample)
    canary: Sample = field(default_factory=Sample)
    paired_champion: Sample = field(default_factory=Sample)
    paired_shadow: Sample = field(default_factory=Sample)
    has_shadow: bool = False
    same_answers: int = 0


def compare(days: float | None = None) -> dict[str, Any]:
    """Compare the two on labelled answers of the last `days` (None: all); print and return figures.

    `accuracy` of classes, `absolute_error` of numbers; `difference` is challenger minus champion
    with its 95 % interval (normal approximation, paired where both answered the same rows).

    Raises:
        UserError: nothing to compare yet.
    """
    since = 0.0 if days is None else time.time() - days * DAY_SECONDS
    with closing(Journal()) as journal:
        samples = collect(journal.predictions(since, role=None))
    result = _paired(samples) if samples.has_shadow else _two_samples(samples)
    if result is None:
        raise UserError(
            "journal: there are no labelled answers of a challenger to compare with the champion's",
            "ml challenge VERSION, serve.challenger: shadow in params.yaml, traffic, then ml label",
        )
    _print(result)
    return result


def collect(answers: Iterable[Prediction]) -> Samples:
    """Score the answers one by one, in the journal's order: a shadow's comes after its champion's.

    Of an answer its scores are kept, and its prediction until its shadow's has been read.
    """
    samples = Samples()
    awaited: dict[str, Prediction] = {}  # the champion's labelled answers without a shadow yet
    for answer in answers:
        if answer.role == SHADOW:
            samples.has_shadow = True
            champion = awaited.pop(answer.prediction_id.removesuffix(SHADOW_SUFFIX), None)
            if champion is not None:
                _add_pair(samples, champion, answer)
        elif answer.labelled_at is not None:
            side = samples.champion if answer.role == "champion" else samples.canary
            side.add(answer, answer.outcome)
            if answer.role == "champion":
                awaited[answer.prediction_id] = replace(answer, features={})
    return samples


def _add_pair(samples: Samples, champion: Prediction, shadow: Prediction) -> None:
    samples.paired_champion.add(champion, champion.outcome)
    samples.paired_shadow.add(shadow, champion.outcome)
    samples.same_answers += champion.prediction == shadow.prediction


def _paired(samples: Samples) -> dict[str, Any] | None:
    champion, shadow = samples.paired_champion, samples.paired_shadow
    n = len(champion)
    if n < 2:
        return None
    difference = shadow.scores - champion.scores
    standard_error = float(difference.std(ddof=1)) / math.sqrt(n)
    versions = champion.first_version, shadow.first_version
    result = _result(SHADOW, versions, champion, shadow, standard_error)
    return {**result, "pairs": n, "same_answer": samples.same_answers / n}


def _two_samples(samples: Samples) -> dict[str, Any] | None:
    champion, canary = samples.champion, samples.canary
    if len(champion) < 2 or len(canary) < 2:
        return None
    standard_error = math.sqrt(_variance_of_mean(champion) + _variance_of_mean(canary))
    versions = champion.latest_version, canary.latest_version
    return _result("canary", versions, champion, canary, standard_error)


def _variance_of_mean(sample: Sample) -> float:
    return float(sample.scores.var(ddof=1)) / len(sample)


def _result(
    role: str,
    versions: tuple[str, str],
    champion: Sample,
    challenger: Sample,
    standard_error: float,
) -> dict[str, Any]:
    measure = champion.measure
    means = float(champion.scores.mean()), float(challenger.scores.mean())
    difference = float(challenger.scores.mean() - champion.scores.mean())
    return {
        "role": role,
        "measure": measure,
        "champion": {"version": versions[0], "rows": len(champion), measure: means[0]},
        "challenger": {"version": versions[1], "rows": len(challenger), measure: means[1]},
        "difference": {
            "value": difference,
            "low": difference - Z * standard_error,
            "high": difference + Z * standard_error,
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

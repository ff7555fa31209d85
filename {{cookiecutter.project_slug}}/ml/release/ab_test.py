"""Champion against challenger on the traffic they both saw: `ml challenge 7`, later `ml compare`.

Reads: the journal. Shadow: both answered the same rows, so the difference is paired. Canary: each
answered its own share, so it is a difference of two samples. Only answers with a label count.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.bundle import CHAMPION as CHAMPION_LINK
from ml.bundle import CONTRACT_FILE
from ml.clock import now
from ml.contract import load_contract
from ml.encode import DAY_SECONDS
from ml.errors import UserError, printable
from ml.journal.bulk.ripeness import ripe_limit
from ml.journal.records import CANARY, CHAMPION, SHADOW, SHADOW_SUFFIX, Prediction
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
        if not self._scores:
            self.measure = "accuracy" if isinstance(outcome, str) else "absolute_error"
            self.first_version = answer.version
        self.latest_version = answer.version
        self._scores.append(_score(answer.prediction, outcome))

    @property
    def mean(self) -> float:
        """Of the scores."""
        return float(self.scores.mean())

    @property
    def scores(self) -> Scores:
        """Shape (n,)."""
        return np.array(self._scores)

    def __len__(self) -> int:
        return len(self._scores)


def _score(prediction: Any, outcome: Any) -> float:
    return float(prediction == outcome) if isinstance(outcome, str) else abs(prediction - outcome)


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
    since = 0.0 if days is None else now() - days * DAY_SECONDS
    with closing(Journal()) as journal:
        samples = collect(journal.predictions(since, _ripe_before(), role=None))
    result = _paired(samples) if samples.has_shadow else _two_samples(samples)
    if result is None:
        raise UserError(
            "journal: there are no labelled answers of a challenger to compare with the champion's",
            "ml challenge VERSION, serve.challenger: shadow in params.yaml, traffic, then ml label",
        )
    _print(result)
    return result


def _ripe_before() -> float:
    """The moment before which outcomes are final: `matures_after` of the contract's target."""
    contract = CHAMPION_LINK / CONTRACT_FILE  # a journal may be read where nothing is served
    return ripe_limit(load_contract(contract)) if contract.is_file() else math.inf


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
        elif answer.labelled_at is None:
            continue
        elif answer.role == CHAMPION:
            samples.champion.add(answer, answer.outcome)
            awaited[answer.prediction_id] = replace(answer, features={})
        elif answer.role == CANARY:
            samples.canary.add(answer, answer.outcome)
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
    return {
        "role": role,
        "measure": champion.measure,
        "champion": _side(versions[0], champion, champion.measure),
        "challenger": _side(versions[1], challenger, champion.measure),
        "difference": _interval(challenger.mean - champion.mean, standard_error),
    }


def _side(version: str, sample: Sample, measure: str) -> dict[str, Any]:
    return {"version": version, "rows": len(sample), measure: sample.mean}


def _interval(value: float, standard_error: float) -> dict[str, float]:
    """A value with its 95 % interval (normal approximation)."""
    margin = Z * standard_error
    return {"value": value, "low": value - margin, "high": value + margin}


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    measure, console = result["measure"], Console(width=80)
    table = Table("", "version", "labelled rows", measure.replace("_", " "))
    for role in ("champion", "challenger"):
        side = result[role]
        version = escape(printable(side["version"]))
        table.add_row(role, version, f"{side['rows']:,}", f"{side[measure]:.4f}")
    console.print(table)
    console.print(_format_difference(result))


def _format_difference(result: dict[str, Any]) -> str:
    difference = result["difference"]
    better = "higher" if result["measure"] == "accuracy" else "lower"
    return (
        f"challenger minus champion ({result['role']}): {difference['value']:+.4f}, "
        f"95 % interval {difference['low']:+.4f} to {difference['high']:+.4f} ({better} is better)"
    )

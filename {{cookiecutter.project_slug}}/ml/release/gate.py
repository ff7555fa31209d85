"""The gate of a release: better than the naive baseline, not worse than the champion.

The champion is asked the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml.request_schema.changes import breaking_changes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.params import Release


NOT_WORSE = "not worse than the champion"  # a question of the gate
SAME_REQUESTS = "takes the champion's requests"  # another one


@dataclass(frozen=True)
class Check:
    """One question of the gate: its name, the answer and the figures behind it."""

    name: str
    passed: bool
    figures: str


@dataclass(frozen=True)
class Decision:
    """The gate's checks; the challenger passes when all of them do."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether the challenger may become the champion."""
        return all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """The failed checks in words, or all of them when none failed."""
        failed = [check for check in self.checks if not check.passed] or list(self.checks)
        return "; ".join(f"{check.name}: {check.figures}" for check in failed)


def against_baseline(
    metric: str, model: dict[str, float], baseline: dict[str, float], params: Release
) -> Check:
    """Is the metric higher than the naive baseline's by `release.min_gain_over_baseline`?"""
    question = "better than the baseline"
    if metric not in model or metric not in baseline:
        return Check(question, False, f"{metric} is undefined: the held-out targets are all equal")
    gain = model[metric] - baseline[metric]
    needed = params.min_gain_over_baseline
    figures = f"{metric} {model[metric]:.4f}, baseline {baseline[metric]:.4f}, needs +{needed:g}"
    return Check(question, gain >= needed, figures)


def same_requests(
    champion: Contract, challenger: Contract, version: str, *, allowed: bool
) -> Check:
    """Does the challenger answer all requests that the champion answers, for the same classes?

    Args:
        champion: its contract.
        challenger: its contract.
        version: of the champion.
        allowed: `--new-contract`: a change is named and lets the challenger pass.
    """
    changes = breaking_changes(champion, challenger)
    figures = f"as of version {version}" if not changes else "; ".join(changes)
    hint = ": `ml release --new-contract` once its clients know" if changes and not allowed else ""
    return Check(SAME_REQUESTS, allowed or not changes, figures + hint)


def against_champion(
    y: NDArray[Any],
    challenger: NDArray[Any],
    champion: NDArray[Any],
    metric: str,
    params: Release,
) -> Check:
    """Is the metric on the same rows no lower than the champion's, but for `release.max_loss`?

    The figures carry the 95 % interval of the paired bootstrap (both are scored on the same
    resampled rows; Efron and Tibshirani 1993).

    Args:
        y: (n,) codes or values.
        challenger: its answer matrix for the n rows.
        champion: its answer matrix for the same rows.
        metric: higher is better.
        params: `max_loss` is the loss that is tolerated.
    """
    from ml.metrics import measure

    ours, theirs = measure(metric, y, challenger), measure(metric, y, champion)
    gain = ours - theirs
    low, high = paired_interval(y, challenger, champion, metric)
    figures = (
        f"{metric} {ours:.4f}, champion {theirs:.4f} on the same {len(y)} rows "
        f"(difference {gain:+.4f}, 95 % interval {low:+.4f} to {high:+.4f})"
    )
    return Check(NOT_WORSE, gain >= -params.max_loss, figures)


def paired_interval(
    y: NDArray[Any], challenger: NDArray[Any], champion: NDArray[Any], metric: str
) -> tuple[float, float]:
    """95 % bootstrap interval of the metric's difference, challenger minus champion."""
    from ml.metrics import bootstrap, measure

    def gain(rows: NDArray[Any]) -> float:
        return measure(metric, y[rows], challenger[rows]) - measure(metric, y[rows], champion[rows])

    return bootstrap(len(y), gain)

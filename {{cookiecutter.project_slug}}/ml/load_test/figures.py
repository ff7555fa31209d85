"""Figures of each step, and the verdict on the last one.

A request without a good answer counts as one that took for ever: failing quickly helps no client.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ml.load_test.sender import OK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.load_test.arrivals import Step
    from ml.load_test.sender import Sent

Verdict = Literal["met", "missed", "unclear", "reported"]
EXIT: dict[Verdict, int] = {"met": 0, "reported": 0, "missed": 3, "unclear": 4}
P = 0.99
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Figures:
    """One step; milliseconds. None: for ever, because too many requests had no good answer.

    Args:
        rate: requests a second that were due.
        requests: how many.
        failed: those without a good answer.
        p50_ms: median.
        p99_ms: 99th percentile.
        p99_low_ms: lower end of its 95 % interval.
        p99_high_ms: upper end.
        late_p99_ms: 99th percentile of the generator's own delay.
    """

    rate: float
    requests: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None
    p99_low_ms: float | None
    p99_high_ms: float | None
    late_p99_ms: float


def figures_of(step: Step, sent: Sent) -> Figures:
    """The figures of the requests that were due in a step."""
    inside = (sent.due >= step.start) & (sent.due < step.start + step.seconds)
    failed = sent.status[inside] != OK
    latency = np.sort(np.where(failed, np.inf, sent.latency[inside]))
    low, high = interval(latency, P)
    return Figures(
        rate=step.rate,
        requests=len(latency),
        failed=int(failed.sum()),
        p50_ms=_ms(quantile(latency, 0.5)),
        p99_ms=_ms(quantile(latency, P)),
        p99_low_ms=_ms(low),
        p99_high_ms=_ms(high),
        late_p99_ms=1000 * quantile(np.sort(sent.late[inside]), P),
    )


def quantile(ordered: NDArray[np.float64], p: float) -> float:
    """The smallest value that a share p does not exceed."""
    return float(ordered[max(0, math.ceil(p * len(ordered)) - 1)])


def interval(ordered: NDArray[np.float64], p: float) -> tuple[float, float]:
    """A 95 % interval of a quantile by order statistics, whatever the distribution.

    Source: Conover, Practical Nonparametric Statistics, 3rd ed., 1999, section 3.2. Beyond the
    largest value there is no upper end: infinity.
    """
    from scipy.stats import binom

    n, tail = len(ordered), (1 - CONFIDENCE) / 2
    first = int(binom.ppf(tail, n, p))
    last = int(binom.ppf(1 - tail, n, p)) + 1
    low = float(ordered[first - 1]) if first else 0.0
    return low, float(ordered[last - 1]) if last <= n else math.inf


def _ms(seconds: float) -> float | None:
    return 1000 * seconds if math.isfinite(seconds) else None


def verdict_of(last: Figures, limit_ms: float | None) -> Verdict:
    """Whether the last step meets the objective, by the interval of its p99.

    The generator's own delay is taken off only where that speaks for the service. Beyond the limit
    it bunches requests, which a sound service may refuse: then nothing is missed, only unclear.
    """
    if limit_ms is None:
        return "reported"
    if last.p99_high_ms is not None and last.p99_high_ms <= limit_ms:
        return "met"
    if last.late_p99_ms > limit_ms:
        return "unclear"
    is_beyond = last.p99_low_ms is None or last.p99_low_ms - last.late_p99_ms > limit_ms
    return "missed" if is_beyond else "unclear"


def as_json(steps: list[Figures], limit_ms: float | None) -> dict[str, Any]:
    """What load.json holds."""
    return {
        "verdict": verdict_of(steps[-1], limit_ms),
        "objective": {"p99_ms": limit_ms, "rate": steps[-1].rate},
        "steps": [asdict(step) for step in steps],
    }

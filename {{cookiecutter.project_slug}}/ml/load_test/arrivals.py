"""When requests are due: steps of a rising rate, at random moments as many clients make them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARES = (0.25, 0.5, 0.75, 1.0)  # of the rate, one step each
# requests of the last step at least: a 99th percentile of fewer has no upper end
JUDGED = 1000


@dataclass(frozen=True)
class Step:
    """A stretch of the test with one rate.

    Args:
        rate: requests a second.
        start: seconds from the test's beginning.
        seconds: how long it takes.
    """

    rate: float
    start: float
    seconds: float

    @property
    def requests(self) -> int:
        """How many fall into it."""
        return max(1, round(self.rate * self.seconds))


def ramp(rate: float, seconds: float) -> list[Step]:
    """Steps up to a rate; the last one is long enough to be judged.

    Args:
        rate: of the last step, requests a second.
        seconds: length of a step.
    """
    steps: list[Step] = []
    start = 0.0
    for share in SHARES:
        length = max(seconds, math.ceil(JUDGED / rate)) if share == SHARES[-1] else seconds
        steps.append(Step(rate * share, start, length))
        start += length
    return steps


def due(steps: list[Step], seed: int = 7) -> NDArray[np.float64]:
    """Moments (n,) in seconds from the beginning, ascending.

    Within a step they are uniform and independent: a Poisson process, given its number of events.
    """
    rng = np.random.default_rng(seed)
    drawn = [step.start + np.sort(rng.random(step.requests)) * step.seconds for step in steps]
    return np.concatenate(drawn)

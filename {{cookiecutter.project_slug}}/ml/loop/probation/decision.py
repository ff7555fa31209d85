"""Is a new champion sound? A pure decision on two clocks, against the champion before it.

The service clock counts requests that fail or are slow, window by window, beside the share before
the promotion: what was red before is not charged to the new model. The quality clock compares both
models' losses on the same rows with final outcomes. Two bad windows in a row, or one large effect,
roll back. Too little of either is neither pass nor fail: it is waited for, once more as long, and
then a person is asked. Error rates: `benchmarks/probation_errors.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ml.encode import DAY_SECONDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.params import Probation

    Floats = NDArray[np.float64]

State = Literal["good", "bad", "unknown"]
Outcome = Literal["passed", "roll_back", "watching", "extended", "ask"]

KNOWN_REQUESTS = 50  # before the promotion; fewer say nothing about the share that failed
HARMLESS = 0.01  # the share that may fail where the one before is not known
WINDOW_LEVEL = 0.01  # of the test that makes a window of requests bad
LARGE = 0.2  # share of requests beyond the one before that is charged at once
LARGE_LEVEL = 1e-6  # of the test that a large effect has to pass besides
LARGE_REQUESTS = 20  # that it takes at least
GOOD_WINDOWS = 2  # of requests, for the service clock to pass
WORSE_LEVEL = 0.05  # makes a window of outcomes bad, and bounds the loss of a pass
WORST_LEVEL = 0.0005  # of all outcomes together
BATCHES = 16  # of consecutive rows, for a standard error that dependence does not shrink
BATCH_ROWS = 8  # in one of them at least


@dataclass(frozen=True)
class Counts:
    """Requests, those of them that failed, and those that took longer than the limit."""

    requests: int = 0
    failures: int = 0
    slow: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.requests + other.requests,
            self.failures + other.failures,
            self.slow + other.slow,
        )


@dataclass(frozen=True)
class Strays:
    """Answers of both models to the same rows that lie far beyond the held-out rows' answers."""

    rows: int = 0
    champion: int = 0
    before: int = 0


@dataclass(frozen=True)
class Clock:
    """What one of the two says, and why in one sentence; `figures` go to the ledger."""

    state: State
    why: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """What becomes of the promotion.

    Args:
        outcome: `passed`, `roll_back`, `watching` (too early to say), `extended` (the second half
            of the wait), `ask` (the wait is over and a person has to look).
        why: one sentence.
        service: the service clock.
        quality: the quality clock.
    """

    outcome: Outcome
    why: str
    service: Clock
    quality: Clock

    @property
    def evidence(self) -> dict[str, Any]:
        """The figures of both clocks, for the ledger."""
        clocks = {"service": self.service, "quality": self.quality}
        return {
            name: {"state": clock.state, "why": clock.why, **clock.figures}
            for name, clock in clocks.items()
        }


def decide(service: Clock, quality: Clock, waited: float, settings: Probation) -> Judgement:
    """The outcome of both clocks after so many seconds."""
    bad = [clock.why for clock in (service, quality) if clock.state == "bad"]
    if bad:
        return Judgement("roll_back", "; ".join(bad), service, quality)
    if service.state == quality.state == "good":
        return Judgement("passed", f"{service.why}; {quality.why}", service, quality)
    missing = "; ".join(clock.why for clock in (service, quality) if clock.state == "unknown")
    return Judgement(_waiting(waited, settings), missing, service, quality)


def _waiting(waited: float, settings: Probation) -> Outcome:
    wait = settings.max_days * DAY_SECONDS
    if waited < wait:
        return "watching"
    return "extended" if waited < 2 * wait else "ask"


def service_clock(
    before: Counts | None, parts: Sequence[Counts], strays: Strays, settings: Probation
) -> Clock:
    """What the service's requests say.

    Args:
        before: all requests before the promotion; None: the service could not be asked.
        parts: requests since then, from one reading to the next, oldest first.
        strays: answers to rows of the journal that both models answered.
        settings: `loop.probation` of params.yaml.
    """
    whole = windows(parts, settings.min_requests)
    figures = {"requests": sum(part.requests for part in parts), "windows": len(whole)}
    if before is None:
        return Clock("unknown", "the service could not be asked for its counters", figures)
    everything = sum(parts, Counts())
    figures |= {"failures": everything.failures, "slow": everything.slow}
    charge = _large(before, everything, settings) or _stray(strays, settings)
    charge = charge or _twice_bad(before, whole, settings)
    if charge:
        return Clock("bad", charge, figures)
    if len(whole) < GOOD_WINDOWS or _bad_window(before, whole[-1], settings):
        wanted = GOOD_WINDOWS * settings.min_requests
        return Clock("unknown", f"{everything.requests:,} requests of {wanted:,}", figures)
    words = f"{everything.requests:,} requests, {everything.failures} failed"
    return Clock("good", words, figures)


def windows(parts: Sequence[Counts], min_requests: int) -> list[Counts]:
    """Parts joined to windows of so many requests or some more; the rest is left out."""
    whole, open_window = [], Counts()
    for part in parts:
        open_window += part
        if open_window.requests >= min_requests:
            whole.append(open_window)
            open_window = Counts()
    return whole


def _large(before: Counts, since: Counts, settings: Probation) -> str | None:
    """A share of failing requests that no second window is needed for."""
    if since.requests < LARGE_REQUESTS or settings.max_failures >= 1:
        return None
    excess, p_value = _excess(before.failures, before.requests, since.failures, since.requests)
    if excess < LARGE or p_value >= LARGE_LEVEL:
        return None
    return f"{since.failures:,} of {since.requests:,} requests failed"


def _stray(strays: Strays, settings: Probation) -> str | None:
    """Answers far beyond those on the held-out rows, more than the model before gave."""
    if strays.rows < settings.min_requests or settings.max_out_of_range >= 1:
        return None
    excess = (strays.champion - strays.before) / strays.rows
    if excess <= settings.max_out_of_range:
        return None
    return (
        f"{strays.champion:,} of {strays.rows:,} answers lie far beyond those on the held-out "
        f"rows, {strays.before:,} of the model before"
    )


def _twice_bad(before: Counts, whole: Sequence[Counts], settings: Probation) -> str | None:
    found = [_bad_window(before, window, settings) for window in whole]
    twice = [words for earlier, words in pairwise(found) if earlier and words]
    return f"two windows in a row: {twice[0]}" if twice else None


def _bad_window(before: Counts, window: Counts, settings: Probation) -> str | None:
    """Why a window is bad; None: it is not."""
    n, of = window.requests, before.requests
    excess, p_value = _excess(before.failures, of, window.failures, n)
    if excess > settings.max_failures and p_value < WINDOW_LEVEL:
        return f"{window.failures:,} of {n:,} requests failed, {before.failures:,} of {of:,} before"
    if of < KNOWN_REQUESTS:
        return None
    excess, p_value = _excess(before.slow, of, window.slow, n)
    if excess > settings.max_slow and p_value < WINDOW_LEVEL:
        return f"{window.slow:,} of {n:,} requests were slow, {before.slow:,} of {of:,} before"
    return None


def _excess(before: int, of: int, now: int, n: int) -> tuple[float, float]:
    """By how much a share is higher than before, and the probability of that by chance.

    Fisher's exact test, one-sided (Fisher 1935); where little is known of the time before, the
    binomial test against a harmless share.
    """
    from scipy.stats import binom, hypergeom

    if of < KNOWN_REQUESTS:
        return now / n - HARMLESS, float(binom.sf(now - 1, n, HARMLESS))
    chance = hypergeom.sf(now - 1, of + n, before + now, n)
    return now / n - before / of, float(chance)


def quality_clock(champion: Floats, before: Floats, settings: Probation, scale: float) -> Clock:
    """What the outcomes say: both models' losses on the same rows, shape (n,), oldest first.

    Args:
        champion: losses of the new champion.
        before: losses of the champion before.
        settings: `loop.probation` of params.yaml.
        scale: what a loss of 1 is: 1 for errors of a class, else a mean absolute error.
    """
    if not settings.min_labels:
        return Clock("good", "outcomes are not waited for")
    worse = (champion - before) / scale if scale > 0 else champion - before
    n, size = len(worse), settings.min_labels
    if n < size:
        return Clock("unknown", f"{n:,} final outcomes of {size:,}", {"outcomes": n})
    mean = mean_of(worse)
    figures = {"outcomes": n, "loss": mean.value, "standard_error": mean.error}
    words = f"a loss of {mean.value:+.3f} ± {mean.reach(0.025):.3f} on {n:,} outcomes"
    parts = [worse[i : i + size] for i in range(0, n - size + 1, size)]
    bad = [_is_worse(mean_of(part), WORSE_LEVEL, settings) for part in parts]
    if _is_worse(mean, WORST_LEVEL, settings):
        return Clock("bad", words, figures)
    if any(earlier and later for earlier, later in pairwise(bad)):
        return Clock("bad", f"two windows in a row are worse: {words}", figures)
    if mean.value + mean.reach(WORSE_LEVEL) <= settings.max_loss and not bad[-1]:
        return Clock("good", words, figures)
    return Clock("unknown", f"{words}: not certain yet", figures)


def _is_worse(mean: Mean, level: float, settings: Probation) -> bool:
    """Whether losses grew beyond chance, and by more than half of what is tolerated."""
    return mean.value > max(settings.max_loss / 2, mean.reach(level))


@dataclass(frozen=True)
class Mean:
    """A mean of values in order of time, with its standard error and that one's freedom."""

    value: float
    error: float
    freedom: float = math.inf

    def reach(self, level: float) -> float:
        """By how much chance raises the mean with this probability (Student's t, one-sided)."""
        from scipy.special import ndtri, stdtrit

        is_normal = math.isinf(self.freedom)
        quantile = ndtri(1 - level) if is_normal else stdtrit(self.freedom, 1 - level)
        return float(quantile) * self.error


def mean_of(values: Floats) -> Mean:
    """The mean of values in order of time, shape (n,), neighbors of which may be alike.

    The error is the larger of the independent rows' and that of the means of 16 consecutive
    batches, which holds where neighbors are alike (batch means: Alexopoulos, Seila 1998).
    """
    n, mean = len(values), float(values.mean())
    independent = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    if n < BATCHES * BATCH_ROWS:
        return Mean(mean, independent)
    means = np.array([part.mean() for part in np.array_split(values, BATCHES)])
    of_batches = float(means.std(ddof=1)) / math.sqrt(BATCHES)
    return Mean(mean, max(independent, of_batches), BATCHES - 1)

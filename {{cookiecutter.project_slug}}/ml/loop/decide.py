"""What one pass of the loop does: a pure choice from the verdict and the state of things.

| the newest window | what follows |
|---|---|
| broken | it is quarantined; nothing is trained |
| insufficient | nothing |
| ok or drift, without enough new labelled rows | nothing; drift is looked at again sooner |
| decay, enough new labelled rows, or the schedule | a challenger is trained, unless a guard holds |

The guards stand in the order in which they are asked. Each of them names its figure and setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ml.encode import DAY_SECONDS

if TYPE_CHECKING:
    from ml.loop.coverage import State
    from ml.monitoring.verdict import Word
    from ml.params import Loop

Action = Literal["nothing", "quarantine", "report", "alarm", "hold", "retrain"]

MOST_DOUBLINGS = 6  # of the rows and the time that a challenger waits for after refusals


@dataclass(frozen=True)
class Situation:
    """All that a choice depends on. Moments are unix seconds.

    Args:
        verdict: of the newest window.
        decayed: whether outcomes show that the answers got worse.
        evidence: the verdict's, in words.
        now: the moment of the pass.
        fresh: ripe labelled rows that no model has learned from.
        trained: rows that the champion learned from.
        last_attempt: when a challenger was last trained; None: never.
        released_at: when the champion was promoted.
        attempts_today: challengers trained within the last 24 hours.
        refusals: challengers refused or failed in a row since the last promotion; where the answers
            got worse, those of them that a decay asked for, because the others say nothing of it.
        labels: whether outcomes keep coming; nothing is done on outcomes that are unknown.
        labels_why: the figures behind it.
        waiting: the version that waits for an approval.
        on_probation: whether the champion is.
        stopped: whether a retrain that was begun cannot be carried out now.
    """

    verdict: Word
    decayed: bool
    evidence: tuple[str, ...]
    now: float
    fresh: int
    trained: int
    last_attempt: float | None
    released_at: float
    attempts_today: int
    refusals: int
    labels: State = "ok"
    labels_why: str = ""
    waiting: str | None = None
    on_probation: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class Choice:
    """What to do, and why in one sentence."""

    action: Action
    why: str
    decayed: bool = False


def decide(situation: Situation, settings: Loop) -> Choice:
    """The action of one pass."""
    if situation.verdict == "broken":
        return Choice("quarantine", _evidence(situation))
    if situation.verdict == "insufficient":
        return Choice("nothing", _evidence(situation))
    if situation.labels == "falling":
        return Choice("alarm", f"outcomes stop coming: {situation.labels_why}")
    reason = _trigger(situation, settings)
    if reason is None:
        return _without_trigger(situation)
    guard = _guard(situation, settings)
    if guard is not None:
        return Choice("hold", f"{reason}; {guard}")
    return Choice("retrain", reason, situation.decayed)


def _evidence(situation: Situation) -> str:
    return situation.evidence[0] if situation.evidence else f"verdict {situation.verdict}"


def _without_trigger(situation: Situation) -> Choice:
    if situation.verdict == "drift":
        return Choice("report", f"{_evidence(situation)}; no loss is shown")
    return Choice("nothing", "no loss is shown, few new labelled rows")


def _trigger(situation: Situation, settings: Loop) -> str | None:
    """Why a challenger is worth training; None: nothing asks for one."""
    if situation.decayed:
        return _evidence(situation)
    wanted = settings.retrain_share * situation.trained * _doubled(situation)
    if settings.retrain_share and situation.fresh >= wanted:
        return f"{situation.fresh} new labelled rows, {wanted:.0f} are worth a new model"
    days = (situation.now - _last_training(situation)) / DAY_SECONDS
    if settings.every_days and days >= settings.every_days:
        return f"the model is {days:.1f} days old, loop.every_days is {settings.every_days:g}"
    return None


def _last_training(situation: Situation) -> float:
    return max(situation.last_attempt or 0.0, situation.released_at)


def _doubled(situation: Situation) -> int:
    """By how much the wait for the next challenger grows with refusals in a row."""
    return int(2 ** min(situation.refusals, MOST_DOUBLINGS))


def _undecided(situation: Situation) -> str | None:
    """What must come to an end before the next challenger; None: nothing."""
    if situation.stopped:
        return "the retrain before it could not be carried out yet"
    if situation.waiting:
        return f"version {situation.waiting} waits for `ml approve`"
    return "the champion is on probation" if situation.on_probation else None


def _guard(situation: Situation, settings: Loop) -> str | None:
    """Why no challenger is trained now though something asks for one; None: nothing is against."""
    if situation.labels != "ok":
        return f"outcomes are {situation.labels}: {situation.labels_why}"
    if (earlier := _undecided(situation)) is not None:
        return earlier
    rows = settings.min_new_rows * _doubled(situation)
    if situation.fresh < rows:
        return f"{situation.fresh} new labelled rows, {rows} are needed (loop.min_new_rows)"
    if situation.last_attempt is not None:
        days = max(0.0, situation.now - situation.last_attempt) / DAY_SECONDS
        wait = settings.cool_down_days * _doubled(situation)
        if days < wait:
            return f"{days:.1f} days after the last challenger, {wait:g} are asked for"
    if settings.max_per_day and situation.attempts_today >= settings.max_per_day:
        return f"{situation.attempts_today} challengers within a day, loop.max_per_day allows none"
    return None

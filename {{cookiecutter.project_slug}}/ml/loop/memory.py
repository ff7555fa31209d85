"""What the ledger says about the loop's earlier passes: attempts, refusals, what waits.

Pure functions of the ledger's entries: the loop keeps no state of its own, so that a pass that was
killed and run again finds everything where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.encode import DAY_SECONDS
from ml.ledger import chain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.ledger.chain import Entry

RETRAIN, FAILED, UNCHANGED = "retrain", "failed", "unchanged"
STOPPED = "stopped"  # it could not be carried out (a lock, a full disk); the next pass goes on
ABANDONED = "abandoned"  # it was stopped too often; nobody has refused anything
QUARANTINE, ALARM = "quarantine", "alarm"
PASSED, ASK = "probation passed", "probation unclear"  # `unclear`: a person is asked
ENDS = (chain.PROMOTE, chain.REFUSE, chain.WAIT, FAILED, UNCHANGED, ABANDONED)  # of a retrain


@dataclass(frozen=True)
class Memory:
    """Moments are unix seconds.

    Args:
        attempts: when challengers were trained, oldest first.
        refusals: challengers refused or failed in a row since the last promotion; one that could
            not be made for a passing reason is none.
        decay_refusals: those of them that a decay asked for.
        unfinished: a retrain that was begun and came to no end yet.
        stops: how often it could not be carried out.
        waiting: the version that waits for an approval.
        promoted: the versions that were champion, oldest first, each once.
        probation: the promotion whose probation has not ended; None: there is none.
        asked: whether a person was asked about it.
        consumed: answers from before this moment are in the data, or were left out of it.
    """

    attempts: tuple[float, ...] = ()
    refusals: int = 0
    decay_refusals: int = 0
    unfinished: Entry | None = None
    stops: int = 0
    waiting: str | None = None
    promoted: tuple[str, ...] = ()
    probation: Entry | None = None
    asked: bool = False
    consumed: float = 0.0

    @property
    def last_attempt(self) -> float | None:
        """When a challenger was last trained."""
        return self.attempts[-1] if self.attempts else None

    def attempts_since(self, moment: float) -> int:
        """Challengers trained since then."""
        return sum(at > moment for at in self.attempts)

    def attempts_within_a_day(self, now: float) -> int:
        """Challengers trained within the 24 hours before a moment."""
        return self.attempts_since(now - DAY_SECONDS)


def memory(entries: Sequence[Entry]) -> Memory:
    """What the ledger's entries, oldest first, say."""
    retrains = [entry for entry in entries if entry.action == RETRAIN]
    return Memory(
        attempts=tuple(entry.moment.timestamp() for entry in retrains),
        refusals=_refusals(entries),
        decay_refusals=_refusals(entries, after_decay=True),
        unfinished=_unfinished(entries),
        stops=_stops(entries),
        waiting=_waiting(entries),
        promoted=_promoted(entries),
        probation=_probation(entries),
        asked=_since_move(entries, ASK),
        consumed=_consumed(entries),
    )


def _refusals(entries: Sequence[Entry], *, after_decay: bool = False) -> int:
    refusals, decayed = 0, False
    for entry in entries:
        if entry.action == RETRAIN:
            decayed = bool(entry.evidence.get("decayed"))
        if entry.action in chain.MOVES:
            refusals = 0
        elif after_decay and not decayed:
            continue
        elif entry.action in (chain.REFUSE, FAILED, UNCHANGED) and entry.who == chain.LOOP:
            refusals += 1
    return refusals


def _unfinished(entries: Sequence[Entry]) -> Entry | None:
    last = None
    for entry in entries:
        if entry.action == RETRAIN:
            last = entry
        elif entry.action in ENDS:
            last = None
    return last


def _stops(entries: Sequence[Entry]) -> int:
    """Of the latest retrain."""
    begun = max((i for i, entry in enumerate(entries) if entry.action == RETRAIN), default=0)
    return sum(entry.action == STOPPED for entry in entries[begun:])


def _consumed(entries: Sequence[Entry]) -> float:
    """No model has learned from the rows of a retrain that was abandoned: the next takes them."""
    abandoned = {e.evidence["retrain"] for e in entries if e.action == ABANDONED}
    taken = (e for e in entries if e.action == RETRAIN and e.decision not in abandoned)
    return max((entry.evidence["until"] for entry in taken), default=0.0)


def _waiting(entries: Sequence[Entry]) -> str | None:
    moves = [e for e in entries if e.action in (*chain.MOVES, chain.WAIT)]
    return moves[-1].to_version if moves and moves[-1].action == chain.WAIT else None


def _promoted(entries: Sequence[Entry]) -> tuple[str, ...]:
    versions = (e.to_version for e in entries if e.action in chain.MOVES and e.to_version)
    return tuple(dict.fromkeys(versions))


def _probation(entries: Sequence[Entry]) -> Entry | None:
    """The latest promotion, where it replaced another version and did not pass yet."""
    moves = [entry for entry in entries if entry.action in chain.MOVES]
    if not moves or moves[-1].action == chain.ROLLBACK or moves[-1].from_version is None:
        return None
    return None if _since_move(entries, PASSED) else moves[-1]


def _since_move(entries: Sequence[Entry], action: str) -> bool:
    """Whether there is such an entry after the latest change of the champion."""
    last = max((entry.number for entry in entries if entry.action in chain.MOVES), default=0)
    return any(entry.action == action and entry.number > last for entry in entries)

"""One pass of the loop: judge the newest window, choose, act.

Reads: the journal, the ledger, serving/champion. Writes: what the monitor, a release or a rollback
write, the ledger's lines of what was decided, serving/loop.json; answers older than
journal.keep_days leave the journal. A pass that was killed is finished
by the next one: the ledger says what was begun, and each step finds what is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ml.atomic import locked
from ml.bundle import CHAMPION
from ml.contract import load_contract
from ml.journal.bulk.scan import Span, label_counts
from ml.ledger import chain
from ml.loop import memory
from ml.loop.coverage import read_coverage
from ml.loop.decide import Choice, Situation, decide
from ml.loop.labelled import labelled
from ml.loop.probation import judge as probation
from ml.loop.probation.watch import Watched, promotion, watch
from ml.loop.train_challenger import commit, finish, recipe_of, trained_rows
from ml.monitoring import heartbeat, history
from ml.monitoring.commands import journal, prune_old
from ml.monitoring.inputs.reference import load_champion
from ml.monitoring.monitor import REPORTS, evaluate_window
from ml.monitoring.quarantine import load as quarantined
from ml.params import load_params
from ml.release import publish, registry
from ml.release.promotion import pending_here

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import sqlalchemy as sql

    from ml.contract import Contract
    from ml.loop.coverage import Coverage
    from ml.loop.memory import Memory
    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.verdict import Verdict
    from ml.params import Params

COHORTS = 14  # windows whose labels are looked at
LOCK = publish.SERVING / ".loop.lock"  # one pass at a time on this machine


@dataclass(frozen=True)
class Outcome:
    """What a pass came to.

    Args:
        verdict: of the newest window.
        action: what was done, as the ledger calls it; `nothing`, `report` and `hold` are no lines.
        why: in one sentence.
        version: that the action is about.
    """

    verdict: Verdict
    action: str
    why: str
    version: str | None = None


@dataclass(frozen=True)
class Pass:
    """What the steps of one pass share."""

    engine: sql.Engine
    champion: Champion
    params: Params
    span: Span
    past: Memory
    verdict: Verdict
    contract: Contract = field(default_factory=load_contract)

    @property
    def consumed(self) -> float:
        """Up to when answers were taken into the data; unix seconds."""
        return self.past.consumed

    @property
    def ripe(self) -> float:
        """Answers from before this moment are ripe: their outcome is final."""
        return self.contract.ripe_before(self.span.end)


def run_pass(span: Span, next_at: float | None = None) -> Outcome:
    """Judge a window of the journal and act on the verdict.

    Args:
        span: the newest window; its end is the moment of the pass.
        next_at: when the next pass is due, for the heartbeat.

    Raises:
        UserError: there is no journal or no champion yet.
    """
    with locked(LOCK):
        try:
            outcome = _pass(span)
        finally:
            prune_old(Console(stderr=True), chain.LOOP)  # whatever became of the pass
        commit(f"Ledger: {outcome.action} at {span.name}", (str(chain.LEDGER),))
    heartbeat.beat(span.end, outcome.action, next_at)
    return outcome


def _pass(span: Span) -> Outcome:
    engine, champion, params = journal(), load_champion(), load_params()
    past = memory.memory(list(chain.entries()))
    verdict = _judged(engine, champion, params, past, span)
    at_hand = Pass(engine, champion, params, span, past, verdict)
    begun = past.unfinished
    if begun is not None and (end := finish(begun, at_hand.contract, past.stops)) != memory.STOPPED:
        return _ended(verdict, begun.why, end)
    # what waits for a lock or a disk keeps nobody from rolling back; a half promotion does
    watched = Watched() if pending_here() else watch(engine, champion, params, past, span)
    if watched.rolled_back_to is not None:
        return Outcome(verdict, chain.ROLLBACK, watched.why, watched.rolled_back_to)
    return _act(at_hand, watched.too_early)


def _judged(
    engine: sql.Engine, champion: Champion, params: Params, past: Memory, span: Span
) -> Verdict:
    """The monitor's verdict. A rollback needs none: it must not wait for a monitor that fails."""
    try:
        return evaluate_window(engine, champion, span, params.monitor, groups=params.fairness)
    except Exception:
        if past.unfinished is None and not pending_here():
            watch(engine, champion, params, past, span)
        raise


def _act(at_hand: Pass, too_early: bool) -> Outcome:
    """Choose, and carry it out."""
    choice = decide(_situation(at_hand, too_early), at_hand.params.loop)
    if choice.action in (memory.QUARANTINE, memory.ALARM):
        _note(choice.action, choice.why, at_hand.span, at_hand.champion.version)
    if choice.action != memory.RETRAIN:
        return _stopped(at_hand, choice) or Outcome(at_hand.verdict, choice.action, choice.why)
    return _earlier(at_hand, choice) or _challenger(at_hand, choice)


def _stopped(at_hand: Pass, choice: Choice) -> Outcome | None:
    """A retrain that could not be carried out, unless something worse is to be told."""
    if at_hand.past.unfinished is None or choice.action in (memory.QUARANTINE, memory.ALARM):
        return None
    return _ended(at_hand.verdict, at_hand.past.unfinished.why, memory.STOPPED)


def _situation(at_hand: Pass, is_watched: bool) -> Situation:
    verdict, past, now = at_hand.verdict, at_hand.past, at_hand.span.end
    released_at = datetime.fromisoformat(at_hand.champion.released_at).timestamp()
    labels = _label_coverage(at_hand)
    decayed = verdict.action == memory.RETRAIN
    return Situation(
        verdict=verdict.verdict,
        decayed=decayed,
        evidence=verdict.evidence,
        now=now,
        fresh=fresh_rows(at_hand.engine, Span(at_hand.consumed, at_hand.ripe)),
        trained=trained_rows(CHAMPION),
        last_attempt=past.last_attempt,
        released_at=released_at,
        attempts_today=past.attempts_within_a_day(now),
        refusals=past.decay_refusals if decayed else past.refusals,
        labels=labels.state,
        labels_why=labels.why,
        waiting=past.waiting,
        on_probation=is_watched,
        stopped=past.unfinished is not None,
    )


def _label_coverage(at_hand: Pass) -> Coverage:
    """Whether outcomes keep coming, by the windows that were judged."""
    judged = history.verdicts(REPORTS)[-COHORTS:]
    spans = [Span(verdict.start, verdict.end) for verdict in judged]
    settings, contract = at_hand.params.loop.coverage, at_hand.contract
    return read_coverage(at_hand.engine, spans, contract, settings, at_hand.span.end)


def fresh_rows(engine: sql.Engine, span: Span) -> int:
    """Labelled answers of a span that may be trained on."""
    if span.end <= span.start:
        return 0
    broken = sum(
        label_counts(engine, Span(max(e["start"], span.start), min(e["end"], span.end))).matched
        for e in quarantined()
        if e["start"] < span.end and e["end"] > span.start
    )
    return max(0, label_counts(engine, span).matched - broken)


def _note(action: str, why: str, span: Span, champion: str) -> None:
    evidence = {"window": span.name}
    decision = f"{action}-{span.name}"
    chain.record(
        action,
        why=why,
        who=chain.LOOP,
        from_version=champion,
        evidence=evidence,
        decision=decision,
    )


def _earlier(at_hand: Pass, choice: Choice) -> Outcome | None:
    """An earlier champion that fits the newest rows better needs no training."""
    if not choice.decayed or len(at_hand.past.promoted) < 2:
        return None
    from ml.loop.earlier import promote_earlier

    length = at_hand.span.end - at_hand.span.start
    frame = ripe_frame(at_hand, Span(max(at_hand.consumed, at_hand.ripe - length), at_hand.ripe))
    client = registry.connect()
    version = promote_earlier(client, at_hand.params, at_hand.past.promoted, frame, choice.why)
    if version is None:
        return None
    return _ended(at_hand.verdict, choice.why, chain.PROMOTE)


def ripe_frame(at_hand: Pass, span: Span) -> pd.DataFrame:
    """The span's labelled answers as typed rows with their outcomes."""
    from ml.loop.journal_part import labelled_part

    rows = labelled(at_hand.contract, span.start, span.end).fresh
    return labelled_part(rows, at_hand.contract, at_hand.params)[0]


def _challenger(at_hand: Pass, choice: Choice) -> Outcome:
    """Begin a retrain, written down first, and finish it."""
    evidence = _plan(at_hand, choice)
    begun = chain.record(
        memory.RETRAIN,
        why=choice.why,
        who=chain.LOOP,
        from_version=at_hand.champion.version,
        evidence=evidence,
        decision=f"{memory.RETRAIN}-{at_hand.span.name}",
    )
    return _ended(at_hand.verdict, choice.why, finish(begun, at_hand.contract))


def _plan(at_hand: Pass, choice: Choice) -> dict[str, Any]:
    """What the retrain is made of; all of it stands in the ledger before anything is written."""
    since, until = at_hand.consumed, at_hand.ripe
    length = at_hand.span.end - at_hand.span.start
    fresh = fresh_rows(at_hand.engine, Span(since, until))
    newest = fresh_rows(at_hand.engine, Span(max(since, until - length), until))
    recipe = recipe_of(fresh, newest, _first_rows(at_hand.past), choice.decayed)
    return {
        "window": at_hand.span.name,
        "since": since,
        "until": until,
        "until_moment": datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds"),
        "fresh_rows": fresh,
        "decayed": choice.decayed,
        "recipe": recipe.model_dump(),
    }


def _first_rows(past: Memory) -> int:
    """Rows that the first champion learned from; 0 where its release is not here."""
    folders: list[Path] = [publish.release_folder(version) for version in past.promoted]
    return trained_rows(folders[0]) if folders else 0


def _ended(verdict: Verdict, why: str, action: str) -> Outcome:
    """What a retrain or an earlier champion came to; a promotion begins its probation."""
    begun = memory.memory(list(chain.entries())).probation
    if action == chain.PROMOTE and begun is not None:
        probation.begin(promotion(begun), load_params())
    moves = [entry for entry in chain.entries() if entry.action == action]
    return Outcome(verdict, action, why, moves[-1].to_version if moves else None)

"""The latest promotion in a pass: its probation begins, goes on, ends, or is rolled back.

Reads: what both clocks read. Writes: the ledger's line of how it ended, and what a rollback writes.
It needs no verdict of the monitor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ml.ledger import chain
from ml.loop import memory
from ml.loop.probation import judge as probation
from ml.loop.probation.judge import Promoted
from ml.release.commands import rollback
from ml.release.promotion import Mandate

if TYPE_CHECKING:
    import sqlalchemy as sql

    from ml.journal.bulk.scan import Span
    from ml.ledger.chain import Entry
    from ml.loop.memory import Memory
    from ml.loop.probation.decision import Judgement
    from ml.monitoring.inputs.reference import Champion
    from ml.params import Params


class Watched(NamedTuple):
    """What the probation of the latest promotion came to."""

    rolled_back_to: str | None = None
    why: str = ""
    too_early: bool = False  # the new champion has not answered a whole window yet


def watch(
    engine: sql.Engine, champion: Champion, params: Params, past: Memory, span: Span
) -> Watched:
    """Judge the latest promotion; roll it back where both clocks or one of them say so."""
    entry = past.probation
    if entry is None:
        return Watched()
    promoted = promotion(entry)
    if probation.begin(promoted, params) is not None:
        return Watched()
    judged = probation.judge(engine, champion, promoted, params, span.end)
    if judged.outcome == "roll_back":
        version = rollback(Mandate(judged.why, chain.LOOP, judged.evidence))
        probation.end()
        return Watched(version, judged.why)
    if judged.outcome == "passed":
        _note_probation(memory.PASSED, judged, entry)
        probation.end()
    if judged.outcome == "ask" and not past.asked:
        _note_probation(memory.ASK, judged, entry)
    return Watched(too_early=judged.outcome == "watching" and promoted.since > span.start)


def promotion(entry: Entry) -> Promoted:
    return Promoted(str(entry.to_version), str(entry.from_version), entry.moment.timestamp())


def _note_probation(action: str, judged: Judgement, entry: Entry) -> None:
    chain.record(
        action,
        why=judged.why,
        who=chain.LOOP,
        from_version=entry.from_version,
        to_version=entry.to_version,
        evidence=judged.evidence,
        decision=f"{action}-{entry.decision}",
    )

"""The ledger's entries as events of a replay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ml.ledger import chain
from ml.loop.replay.story import Event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml.ledger.chain import Entry
    from ml.loop.replay.simulation.live import Lived

# other actions are shown by their own name
WORDS: Mapping[str, str] = {
    "retrain": "retrained",
    chain.PROMOTE: "promoted",
    chain.ROLLBACK: "rolled back",
    chain.APPROVE: "approved",
    chain.REFUSE: "refused",
    chain.WAIT: "waits for approval",
    "quarantine": "quarantined",
}


def events_of(lived: Sequence[Lived]) -> list[Event]:
    """What the ledger says about each window, in order."""
    return [_event(entry, window) for window in lived for entry in window.entries]


def _event(entry: Entry, lived: Lived) -> Event:
    # the work after a window's end takes real seconds, which are none in the stream
    at = min(entry.moment, datetime.fromtimestamp(lived.slice.end, UTC))
    return Event(
        window=lived.slice.number,
        at=at,
        what=WORDS.get(entry.action, entry.action),
        version=entry.to_version,
        why=entry.why,
    )

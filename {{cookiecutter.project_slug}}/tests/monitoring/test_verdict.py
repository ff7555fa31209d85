"""Findings to verdicts: the order of the rooms, the actions, the tiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ml.monitoring.finding import Finding
from ml.monitoring.verdict import EXIT, decide, tier

if TYPE_CHECKING:
    from ml.monitoring.finding import Room


def finding(room: Room, what: str = "x", note: bool = False) -> Finding:
    return Finding(room, what, None, f"{room} {what}", 1.0, 0.5, "note" if note else "ticket")


@pytest.mark.parametrize(
    ("found", "verdict", "action"),
    [
        ([], "ok", "nothing"),
        ([finding("performance", note=True)], "ok", "nothing"),
        ([finding("drift")], "drift", "investigate"),
        ([finding("drift"), finding("drift", "bias")], "drift", "retrain"),
        ([finding("drift"), finding("performance")], "decay", "retrain"),
        ([finding("performance"), finding("quality")], "broken", "quarantine"),
        ([finding("volume", "few_rows"), finding("drift")], "insufficient", "wait"),
        ([finding("volume", "no_rows")], "insufficient", "call"),
    ],
)
def test_the_first_room_decides(found: list[Finding], verdict: str, action: str) -> None:
    made = decide(found)
    assert (made.verdict, made.action) == (verdict, action)
    assert (EXIT[made.verdict] == 0) == (verdict == "ok")


def test_one_window_is_a_ticket_two_in_a_row_a_page() -> None:
    moved, calm = decide([finding("drift")]), decide([])
    before: dict[str, Any] = {"tier": None}
    assert tier(calm, {"tier": "page"}) is None
    assert tier(moved, None) == "ticket"
    assert tier(moved, before) == "ticket"
    assert tier(moved, {"tier": "ticket"}) == "page"
    assert tier(decide([finding("volume", "few_rows")]), before) is None
    assert tier(decide([finding("volume", "no_rows")]), {"tier": "ticket"}) == "page"

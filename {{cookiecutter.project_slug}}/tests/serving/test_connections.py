"""How many connections are open, and which are closed to make room."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.serving.connections import Connections, limit_of


class Opened:
    """A connection that waits or does not."""

    def __init__(self, waits_since: float | None) -> None:
        self.waits_since = waits_since
        self.dropped = False

    def drop(self) -> None:
        """Note it."""
        self.dropped = True


@given(
    since=st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=80), most=st.integers(1, 40)
)
def test_those_that_wait_longest_make_room(since: list[int | None], most: int) -> None:
    """No more than allowed are open; one with a request inside is not closed, a new one stays."""
    counted: list[int] = []
    connections = Connections(most, 10, counted.append)
    opened: list[Opened] = []
    for now, at in enumerate(since):
        open_before = [c for c in opened if not c.dropped]
        opened.append(Opened(now + 10))  # a new one waits for its first request
        connections.add(cast("Any", opened[-1]), now)
        open_after = [c for c in opened if not c.dropped]
        assert len(open_after) <= most
        gone = [c.waits_since for c in open_before if c.dropped]
        kept = [c.waits_since for c in open_after if c.waits_since is not None]
        assert None not in gone
        assert not gone or not kept or max(cast("list[float]", gone)) <= min(kept)
        assert not opened[-1].dropped or all(c.waits_since is None for c in open_before)
        opened[-1].waits_since = at
    assert sum(counted) == sum(c.dropped for c in opened)


def test_the_limit_of_open_files_bounds_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the files stays free for the journal and for bursts."""
    monkeypatch.setattr("resource.getrlimit", lambda _which: (1024, 4096))
    assert [limit_of(most) for most in (0, 100, 4096)] == [768, 100, 768]

"""The ledger's entries as events on the stream's own time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.ledger import chain
from ml.loop.replay.events import events_of
from ml.loop.replay.simulation.live import Lived
from ml.loop.replay.simulation.stream import Slice

END = datetime(2026, 1, 2, tzinfo=UTC)


def test_what_the_loop_did_belongs_to_the_window_s_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    late = END + timedelta(seconds=40)  # the pipeline took real seconds
    entries = (
        chain.record("retrain", why="decay", at=END - timedelta(hours=1)),
        chain.record(chain.PROMOTE, why="better", to_version="2", at=late),
        chain.record("heard of", why="another action", at=late),
    )
    window = Slice(4, pd.DataFrame(), np.array([0.0]), END.timestamp())
    lived = Lived(window, [], np.empty((0, 1)), np.empty(0, dtype=object), entries=entries)
    events = events_of([lived])
    assert [(event.what, event.version) for event in events] == [
        ("retrained", None),
        ("promoted", "2"),
        ("heard of", None),
    ]
    assert {event.window for event in events} == {4}
    assert [event.at for event in events] == [END - timedelta(hours=1), END, END]

"""A released project that the loop works in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml import clock
from tests.conftest import commit, live_in
from tests.loop.traffic import span


@pytest.fixture
def looped(released_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A released project with everything committed, as the current folder."""
    copy = live_in(released_project, tmp_path / "project", monkeypatch)
    commit(copy, "released")
    return copy


@pytest.fixture
def moved_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a clock that stands at the first day of the stream; commands follow it, too."""
    path = tmp_path / "clock"
    clock.set_clock(path, span(0).start)
    monkeypatch.setattr(clock, "now", clock.MovedClock(path))
    monkeypatch.setenv(clock.VARIABLE, str(path))
    return path

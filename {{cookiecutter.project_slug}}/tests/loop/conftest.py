"""A released project that the loop works in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import commit, live_in


@pytest.fixture
def looped(released_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A released project with everything committed, as the current folder."""
    copy = live_in(released_project, tmp_path / "project", monkeypatch)
    commit(copy, "released")
    return copy

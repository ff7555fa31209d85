"""Windows of a regression as a replay leaves them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ml.dataset.frame import frame_of_rows
from ml.encode import DAY_SECONDS
from ml.loop.replay.simulation.live import Lived
from ml.loop.replay.simulation.stream import DAY_ONE, Slice
from tests.serving.conftest import REGRESSION, sample_rows

ROWS = 40  # of a window


@pytest.fixture
def lived_windows() -> Callable[[int], list[Lived]]:
    """So many windows of the regression, all answered by version 1 with 50."""
    return lambda windows: [_lived(number) for number in range(1, windows + 1)]


def _lived(number: int) -> Lived:
    frame = frame_of_rows(sample_rows(REGRESSION, ROWS, number), REGRESSION)
    frame["count"] = np.random.default_rng(number).normal(50, 20, ROWS)
    start = DAY_ONE + number * DAY_SECONDS
    moments = start + np.arange(ROWS, dtype=float)
    return Lived(
        Slice(number, frame, moments, start + DAY_SECONDS),
        ids=[f"{number}-{i}" for i in range(ROWS)],
        answer=np.full((ROWS, 1), 50.0),
        versions=np.full(ROWS, "1", dtype=object),
        verdict="ok",
        action="nothing",
        decided="1",
        seconds=number / 10,
    )

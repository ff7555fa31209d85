"""The ramp ends at the stated rate, long enough to be judged; moments are a Poisson process."""

from __future__ import annotations

import numpy as np
import pytest

from ml.load_test.arrivals import JUDGED, due, ramp


@pytest.mark.parametrize("rate", [3.0, 100.0, 5000.0])
def test_the_ramp_ends_at_the_rate_with_enough_requests(rate: float) -> None:
    steps = ramp(rate, 2.0)
    assert [step.rate / rate for step in steps] == [0.25, 0.5, 0.75, 1.0]
    assert [step.start for step in steps[1:]] == [s.start + s.seconds for s in steps[:-1]]
    assert steps[-1].requests >= JUDGED


def test_moments_come_at_the_rate_of_their_step() -> None:
    steps = ramp(400.0, 10.0)
    moments = due(steps)
    assert (np.diff(moments) >= 0).all()
    for step in steps:
        inside = (moments >= step.start) & (moments < step.start + step.seconds)
        assert inside.sum() == step.requests
    gaps = np.diff(moments[moments >= steps[-1].start])
    # of an exponential distribution the standard deviation is the mean
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.1)
    assert (due(steps) == moments).all()

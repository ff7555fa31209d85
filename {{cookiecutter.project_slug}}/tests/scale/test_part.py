"""An attempt at a part: done, a person's mistake, or whatever it raised."""

from __future__ import annotations

from ml.scale.part import Answer, attempt
from tests.scale.tasks import task


def test_what_an_attempt_comes_to() -> None:
    assert attempt(task, "a", 5) == Answer("a")
    assert attempt(task, "raises:x", 5) == Answer(problem="ValueError: x")
    refused = Answer(problem="x", then="mend it", is_mistake=True)
    assert attempt(task, "refuses:x", 5) == refused

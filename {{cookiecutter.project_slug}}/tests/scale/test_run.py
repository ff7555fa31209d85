"""What fails is tried once more alone; where everything fails that has an end."""

from __future__ import annotations

import pytest

from ml.scale.part import Part
from ml.scale.run import RETRIED, run_parts, tell_failed
from tests.scale.tasks import Here, task


def test_failed_parts_are_tried_alone_and_mistakes_are_not() -> None:
    here = Here()
    words = ["a", "raises:x", "refuses:y", "b", "raises:z"]
    parts = [Part(str(i), word) for i, word in enumerate(words)]
    ended = run_parts(here, task, parts, 5, "parts")
    assert here.calls == [["0", "1", "2", "3", "4"], ["1"], ["4"]]
    assert set(ended.results) == {"0", "3"}
    assert {outcome.part.name for outcome in ended.failed} == {"1", "2", "4"}


def test_only_so_many_are_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    here = Here()
    parts = [Part(str(i), "raises:x") for i in range(RETRIED + 5)]
    ended = run_parts(here, task, parts, 5, "parts")
    assert len(here.calls) == 1 + RETRIED
    assert len(ended.failed) == RETRIED + 5
    capsys.readouterr()
    tell_failed(ended)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == RETRIED + 5
    assert sorted(told)[0] == "0: ValueError: x; not done"

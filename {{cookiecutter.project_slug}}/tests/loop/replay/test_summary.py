"""The terminal's lines hold in 80 columns."""

from __future__ import annotations

from rich.console import Console

from ml.loop.replay.summary import summary, window_line
from tests.loop.replay.made_up import story


def test_a_window_s_line() -> None:
    window = {
        "number": 36,
        "champion": "12",
        "loss": 0.123456,
        "verdict": "decay",
        "action": "retrain",
        "acts": ["retrain", "promote 13"],
        "seconds": 14.25,
    }
    line = window_line(window)
    assert line == "window  36  version 12  loss  0.1235   14.2 s  decay        retrain, promote 13"
    assert len(line) <= 80
    assert "nothing" in window_line({**window, "acts": [], "action": "nothing", "loss": None})


def test_the_table_has_a_line_for_each_policy() -> None:
    console = Console(width=80, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(summary(story()))
    text = captured.get()
    assert "the first model, never retrained" in text
    assert max(len(line) for line in text.split("\n")) <= 80

"""The time line: what it shows, where windows are missing, far off or many."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from ml.charts.layout import NARROW, WIDE, Slot
from ml.charts.lines import Series
from ml.charts.time_line import Mark, TimeLine, draw, letter, page_part, stretches
from tests.test_errors import SCRIPT

NS = "{http://www.w3.org/2000/svg}"


def line(count: int = 10, values: list[float | None] | None = None) -> TimeLine:
    """A time line of so many windows."""
    figures = values or [40.0 + i % 3 for i in range(count)]
    low = [None if v is None else v - 2 for v in figures]
    high = [None if v is None else v + 2 for v in figures]
    return TimeLine(
        name="Loss",
        description="A sentence.",
        unit="loss",
        slots=[Slot(i, i + 1, f"day {i}", f"window {i}") for i in range(count)],
        series=[Series("the champion", "champion", figures, low, high)],
        verdicts=["ok"] * (count - 1) + ["broken"],
        versions=["1"] * (count // 2) + ["2"] * (count - count // 2),
        incidents=[None] * (count - 2) + ["a flood"] * 2,
        marks=[Mark(count / 2, "promoted", "2", "version 2 promoted")],
    )


def titles(drawn: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(drawn).iter(f"{NS}title")]


def words(drawn: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(drawn).iter(f"{NS}text")]


def paths(drawn: str, name: str) -> list[str]:
    found = ET.fromstring(drawn).iter(f"{NS}path")
    return [path.get("d", "") for path in found if name in path.get("class", "").split()]


def test_windows_events_and_incidents_are_there() -> None:
    drawn = draw(line(), WIDE)
    assert {"window 0", "window 9", "version 2 promoted", "version 1 answered"} <= {*titles(drawn)}
    assert {"version", "verdict", "promoted", "A a flood", "loss"} <= {*words(drawn)}
    part = page_part(line())
    assert "A: a flood, day 8 to day 9" in part
    assert "the champion, with 95 % interval" in part
    assert "verdict broken" in part


def test_rows_stand_in_one_order_and_unknown_events_have_one_too() -> None:
    marks = [Mark(1, what, "", "") for what in ("zapped", "rolled back", "promoted", "retrained")]
    rows = replace(line(), marks=marks).rows
    assert rows == ["version", "verdict", "retrained", "promoted", "rolled back", "zapped"]


def test_a_missing_figure_interrupts_the_line_and_its_interval() -> None:
    figures = [1.0, 2.0, None, None, 3.0, None, 2.0, 2.0, 2.0, 2.0]
    (d,) = paths(draw(line(values=figures), WIDE), "champion")
    assert d.count("M") == 3
    (band,) = paths(draw(line(values=figures), WIDE), "band")
    assert band.count("Z") == 3


def test_a_value_far_off_is_written_at_the_edge() -> None:
    figures: list[float | None] = [40.0 + i % 3 for i in range(40)]
    figures[20] = 1e6
    assert "1,000,000" in words(draw(line(40, figures), WIDE))
    figures[20] = 45.0
    assert "45.00" not in words(draw(line(40, figures), WIDE))


@pytest.mark.parametrize("count", [2, 36, 300])
def test_everything_stays_inside(count: int) -> None:
    for layout in (WIDE, NARROW):
        root = ET.fromstring(draw(line(count), layout))
        width, height = (float(root.get(side, "")) for side in ("width", "height"))
        for rect in root.iter(f"{NS}rect"):
            x, y, w, h = (float(rect.get(k, "")) for k in ("x", "y", "width", "height"))
            assert x >= 0
            assert x + w <= width + 3
            assert y + h <= height


def test_nothing_from_outside_is_markup() -> None:
    hostile = replace(
        line(),
        unit=SCRIPT,
        incidents=[SCRIPT] * 10,
        versions=[SCRIPT] * 10,
        verdicts=[SCRIPT] * 10,
        slots=[Slot(i, i + 1, SCRIPT, SCRIPT) for i in range(10)],
        marks=[Mark(1, SCRIPT, SCRIPT, SCRIPT)],
        series=[Series(SCRIPT, "champion", [1.0] * 10)],
    )
    assert "<script" not in page_part(hostile)


def test_no_window_at_all_is_an_empty_chart() -> None:
    empty = TimeLine("n", "d", "u", [], [], [], [], [], [])
    assert "<svg" in page_part(empty)


def test_letters_and_stretches() -> None:
    assert [letter(i) for i in (0, 25, 26, 27, 52)] == ["A", "Z", "AA", "AB", "BA"]
    two = replace(line(), incidents=["a", "a", None, "a", "b", *[None] * 5])
    assert stretches(two) == [("a", 0, 1), ("a", 3, 3), ("b", 4, 4)]

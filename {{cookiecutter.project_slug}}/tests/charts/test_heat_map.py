"""The matrix and the bars below it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from ml.charts.heat_map import HeatMap, draw, page_part
from ml.charts.layout import NARROW, WIDE, Slot
from tests.test_errors import SCRIPT

NS = "{http://www.w3.org/2000/svg}"


def chart(rows: int, columns: int) -> HeatMap:
    """A matrix whose row i is best in column i; the first cell is unknown."""
    values: list[list[float | None]] = [
        [float(abs(i - j)) for j in range(columns)] for i in range(rows)
    ]
    values[0][0] = None
    return HeatMap(
        name="Matrix",
        description="A sentence.",
        slots=[Slot(j, j + 1, f"day {j}", "") for j in range(columns)],
        rows=[f"version {i} {SCRIPT}" for i in range(rows)],
        values=values,
        titles=[[f"{i} on {j}" for j in range(columns)] for i in range(rows)],
        outlined=[min(j, rows - 1) for j in range(columns)],
        bars=[None, *[1.0] * (columns - 1)],
        bar_label="regret",
    )


def rects(drawn: str, name: str) -> list[ET.Element]:
    return [r for r in ET.fromstring(drawn).iter(f"{NS}rect") if r.get("class") == name]


def test_each_cell_has_its_title_and_its_darkness() -> None:
    drawn = draw(chart(3, 5), WIDE)
    cells = rects(drawn, "cell")
    assert len(cells) == 14
    assert len(rects(drawn, "unknown")) == 1
    by_title = {cell[0].text: float(cell.get("fill-opacity", "")) for cell in cells}
    assert by_title["1 on 1"] < by_title["1 on 2"] < by_title["0 on 4"]
    assert len(rects(drawn, "bar")) == 4


def test_the_version_that_answered_is_outlined_in_stretches() -> None:
    assert len(rects(draw(chart(3, 5), WIDE), "outline")) == 3


def test_a_large_matrix_is_a_small_page() -> None:
    large = page_part(chart(60, 300))
    assert "5 on 7" not in large
    assert len(large) < 400_000
    assert "0 on 1<" not in draw(chart(3, 5), NARROW)


def test_names_are_no_markup() -> None:
    assert "<script" not in page_part(chart(2, 2))

"""SVG elements: well-formed, escaped, short."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from ml.charts import svg
from tests.test_errors import SCRIPT


def test_words_and_attributes_are_escaped() -> None:
    drawn = svg.image(10, 20, SCRIPT, '"&', svg.text(1, 2, SCRIPT, class_='"'), svg.title("<"))
    root = ET.fromstring(drawn)
    assert root.get("aria-label") == f'{SCRIPT}. "&'
    assert root[0].text == SCRIPT
    assert root[0].get("class") == '"'
    assert root[1].text == "<"


def test_names_of_attributes() -> None:
    assert svg.tag("a", class_="b", font_size=3) == '<a class="b" font-size="3"/>'


@given(st.floats(-1e6, 1e6))
def test_a_coordinate_is_short_and_near(value: float) -> None:
    written = svg.number(value)
    assert abs(float(written) - value) <= 0.05001
    assert written != "-0"
    assert not written.endswith(".0")


def test_a_line_is_interrupted_where_a_point_is_missing() -> None:
    assert svg.polyline([(0, 1), (2, 3), None, (4, 5)]) == "M0 1L2 3M4 5"
    assert svg.polyline([None, None]) == ""


def test_a_rectangle_never_has_a_negative_size() -> None:
    assert svg.rect(5, 5, 3, 9) == '<rect x="5" y="5" width="0" height="4"/>'

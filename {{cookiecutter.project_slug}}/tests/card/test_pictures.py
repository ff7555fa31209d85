"""Pictures: sound SVG, whatever a model's columns are."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ml.card import pictures
from tests.card.subjects import GROUPS, HOSTILE, LEVELS, POINTS

CURVES: list[dict[str, Any]] = [
    {"column": HOSTILE, "of": None, "points": POINTS},
    {"column": "b", "of": None, "points": LEVELS},
    {"column": "empty", "of": None, "points": []},
]
WEIGHTS: list[dict[str, Any]] = [
    {"column": HOSTILE, "loss": 0.2, "low": 0.1, "high": 0.3},
    {"column": "undefined", "loss": None, "low": None, "high": None},
]


@pytest.mark.parametrize(
    "svg",
    [
        pictures.importance(WEIGHTS),
        pictures.calibration(GROUPS),
        pictures.dependence(CURVES[0]),
        pictures.dependence(CURVES[1]),
        pictures.dependences(CURVES),
        pictures.dependences([]),
    ],
)
def test_a_picture_is_xml_with_a_name(svg: str) -> None:
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["aria-label"]
    assert "NaN" not in svg


def test_without_points_there_is_no_picture() -> None:
    assert pictures.dependence(CURVES[2]) == ""
    assert pictures.calibration([]) == ""


def test_a_line_rises_with_the_answer_and_a_level_has_a_bar() -> None:
    line = pictures.dependence(CURVES[0])
    start, end = (
        line.split('class="line champion"')[0].rsplit('d="M', 1)[1].split('"')[0].split("L")
    )
    assert float(start.split()[1]) > float(end.split()[1])  # upwards is a smaller y
    assert pictures.dependence(CURVES[1]).count('class="bar"') == 2

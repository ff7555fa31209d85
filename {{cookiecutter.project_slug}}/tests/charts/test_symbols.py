"""Symbols of verdicts and events."""

from __future__ import annotations

from typing import get_args
from xml.etree import ElementTree as ET

from ml.charts import svg, symbols
from ml.monitoring.verdict import Word


def test_each_verdict_has_a_symbol() -> None:
    assert set(symbols.VERDICTS) == set(get_args(Word))


def test_a_symbol_with_a_title_keeps_the_pointer() -> None:
    titled = ET.fromstring(symbols.draw(symbols.UNKNOWN, 3.04, 4, svg.title("what it is")))
    assert titled.get("transform") == "translate(3 4)"
    assert titled.get("pointer-events") is None
    assert ET.fromstring(symbols.draw(symbols.UNKNOWN, 3, 4)).get("pointer-events") == "none"


def test_a_sample_is_hidden_from_screen_readers() -> None:
    assert ET.fromstring(symbols.sample(symbols.VERDICTS["ok"])).get("aria-hidden") == "true"

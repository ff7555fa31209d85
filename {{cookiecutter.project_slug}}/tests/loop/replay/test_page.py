"""The page of a replay: complete, offline, without markup from outside, legible in a browser."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ml.loop.replay.page import headline, position, replay_page, write_page
from ml.loop.replay.story import Event, Story
from tests.loop.replay.made_up import LENGTH, START, story
from tests.serving.api.test_browser import COLORS, LEGIBLE, needs_chromium, start_chromium
from tests.test_errors import SCRIPT

SMALL = 2_000_000  # characters
SHOWN = """return [...document.querySelectorAll("svg[role=img]")]
  .filter(e => e.checkVisibility()).length"""


class Tags(HTMLParser):
    """Which elements are open at the end, and all attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.attributes = list[str](), list[tuple[str, str | None]]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("windows", [1, 3, 36, 300])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(windows: int) -> None:
    page = replay_page(story(windows))
    tags = Tags(page)
    assert tags.open == []
    assert not {name for name, _ in tags.attributes} & {"src", "href", "onload", "onclick"}
    assert not re.search(r"url\(|@import|<script|https?://(?!www\.w3\.org/2000/svg)", page)
    assert len(page) < SMALL
    assert page.count("<tr class=swapped>") + page.count('<tr><td class="number">') >= windows


def test_a_window_and_an_event_are_told_with_everything() -> None:
    told = story(36)
    page = replay_page(told)
    window, event = told.windows[20], next(e for e in told.events if e.what == "promoted")
    for words in (
        f"window {window.number}, 2026-07-20 to 2026-07-30",
        f"version {event.version} promoted, window {event.window}",
        "A: prices doubled",
        "column `amount` &lt;i&gt;moved&lt;/i&gt;",
        "never retrained: ",
    ):
        assert words in page
    assert "<code>amount</code> &lt;i&gt;" in page


def test_names_reasons_and_incidents_are_no_markup() -> None:
    values = story(12).model_dump(mode="json")
    values["name"] = SCRIPT
    for window in values["windows"]:
        window |= {"incident": SCRIPT, "verdict": SCRIPT, "action": SCRIPT, "evidence": [SCRIPT]}
    for event in values["events"]:
        event |= {"what": SCRIPT, "why": SCRIPT}
    page = replay_page(Story.model_validate_json(json.dumps(values)))
    assert SCRIPT not in page
    assert Tags(page).open == []


def test_the_headline_says_what_was_gained_or_why_nothing_can_be_said() -> None:
    assert re.search(r"trained twice in 36 windows and recovered 93 % ± 4\.4 of", headline(story()))
    assert "no share of a gain can be given: retraining every window gains nothing" in headline(
        story(gain=False)
    )
    assert "trained not once in 1 window and" in headline(story(1))


def test_an_event_stands_at_its_time_or_after_its_window() -> None:
    told = story(10)
    inside = Event(window=2, at=START + 1.5 * LENGTH, what="alarm")
    assert position(inside, told) == pytest.approx(1.5)
    later = inside.model_copy(update={"at": START + timedelta(days=9999)})
    assert position(later, told) == 2


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(tmp_path: Path, scheme: str, width: int) -> None:
    """Nothing is wider than the window, all text is legible, and one of two sizes is shown."""
    page = tmp_path / "page.html"
    write_page(page, story(36))
    chrome = start_chromium(tmp_path / "chromium")
    try:
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        chrome.get(page.as_uri())
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
        assert chrome.execute_script(SHOWN) == 2
        for words, ink, ground in chrome.execute_script(COLORS):
            assert _contrast(ink, ground) >= LEGIBLE, words
    finally:
        chrome.quit()


def _contrast(ink: str, ground: str) -> float:
    lights = sorted(_light(color) + 0.05 for color in (ink, ground))
    return lights[1] / lights[0]


def _light(color: str) -> float:
    """Relative luminance of `rgb(…)` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

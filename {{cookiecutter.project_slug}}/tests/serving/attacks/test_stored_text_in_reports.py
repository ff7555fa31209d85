"""Text that somebody sends, in Evidently's pages under our header."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml.contract import Contract
from ml.errors import SHOWN
from ml.journal.bulk.scan import Span
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.inputs.window import Window, read_window
from ml.monitoring.reports.evidently import labels, write_drafts
from ml.monitoring.reports.page_inputs import page_inputs
from tests.monitoring import conftest as monitored
from tests.serving.attacks.test_stored_text import verdict
from tests.test_errors import ANY_TEXT, SCRIPT, is_plain

released, world, params, champion = (
    monitored.released,
    monitored.world,
    monitored.params,
    monitored.champion,
)


def hostile(champion: Champion, window: Window, text: str) -> tuple[Champion, Window]:
    """The same rows with the text as the name of a column, the target, a class and a level."""
    columns = {"charge": f"charge {text}", "plan": f"plan {text}", "left": f"left {text}"}
    classes = {"no": "no", "yes": f"yes {text}"}
    about = champion.contract.model_dump(mode="json")
    about["target"] |= {"name": columns["left"], "classes": list(classes.values())}
    for column in about["columns"]:
        column["name"] = columns.get(column["name"], column["name"])
    reference = champion.reference.replace({"left": classes, "prediction": classes}).rename(
        columns=columns
    )
    sample = window.sample.rename(columns=columns)
    sample.loc[sample.index[:200], columns["plan"]] = text
    return (
        replace(champion, contract=Contract.model_validate(about), reference=reference),
        replace(window, sample=sample),
    )


@pytest.fixture
def window(world: monitored.World, champion: Champion) -> Window:
    """A window with outcomes."""
    monitored.record(world, monitored.customers(900, 5), labelled=1.0)
    span = Span(monitored.NOW - 30 * monitored.DAY, monitored.NOW)
    return read_window(world.journal.engine, span, world.contract, champion.profiles, "3")


def pages(folder: Path, champion: Champion, window: Window) -> dict[str, str]:
    """Evidently's pages under our header."""
    folder.mkdir()
    write_drafts(folder, page_inputs(window, champion, [], {}), verdict("plan"))
    return {path.name: path.read_text() for path in folder.glob("*.html")}


@given(texts=st.lists(ANY_TEXT, unique=True, max_size=30))
@example(texts=["x" * 90, "x" * 91, "x" * 79 + "…", "x" * 72 + " (2)"])
def test_labels_of_a_report_are_short_without_markup_and_distinct(texts: list[str]) -> None:
    by_text = labels(texts)
    assert list(by_text) == texts
    assert len(set(by_text.values())) == len(texts)
    assert all(
        len(label) <= SHOWN and is_plain(label) and not set(label) & set("<>")
        for label in by_text.values()
    )


@pytest.mark.slow
@pytest.mark.parametrize("text", [SCRIPT, "<body>", "<!--<script>", "x" * 4000])
def test_evidentlys_pages_hold_text_and_no_markup(
    text: str, champion: Champion, window: Window, tmp_path: Path
) -> None:
    """A pooled level `</script><script>…` ran in the browser of whoever opened report.html."""
    usual = pages(tmp_path / "usual", champion, window)
    hostile_pages = pages(tmp_path / "hostile", *hostile(champion, window, text))
    assert sorted(hostile_pages) == ["performance.html", "report.html"]
    for name, page in hostile_pages.items():
        assert text not in page.replace("<body>", "", 1)
        for tag in ("<script", "</script", "<!--", "<img", "<body"):
            assert page.count(tag) == usual[name].count(tag)
        assert len(page) < len(usual[name]) + 50_000


@pytest.mark.slow
def test_ten_thousand_long_levels_make_no_large_report(
    champion: Champion, window: Window, tmp_path: Path
) -> None:
    """1,000 levels of 4 kB made a report of 36 MB, 10,000 took over ten minutes; now under 5 MB."""
    plan = pd.Series(
        [f"{i}{'x' * 4000}" for i in range(len(window.sample))],
        index=window.sample.index,
        dtype=object,
    )
    large = pages(
        tmp_path / "many", champion, replace(window, sample=window.sample.assign(plan=plan))
    )
    assert len(large["report.html"]) < 5_000_000


CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """Chromium, without a network."""
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    from tests.serving.api.test_browser import OPTIONS

    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for option in (*OPTIONS, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(option)
    browser = Chrome(options, ChromeService(DRIVER))
    yield browser
    browser.quit()


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")
@pytest.mark.parametrize("page", ["report.html", "performance.html"])
def test_no_browser_runs_what_was_sent(
    page: str, browser: Any, champion: Champion, window: Window, tmp_path: Path
) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    pages(tmp_path / "hostile", *hostile(champion, window, SCRIPT))
    browser.get((tmp_path / "hostile" / page).as_uri())
    drawn = "[id^=root_] *"
    WebDriverWait(browser, 60).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, drawn)) > 20)
    assert browser.title != "it ran"
    # it is shown as text
    assert "\u2039script\u203a" in browser.find_element(By.TAG_NAME, "body").text

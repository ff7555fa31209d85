"""The page for people, in Chromium, against a running server, with nothing else to be reached."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from ml.journal.records import Prediction
from ml.journal.store import Journal
from tests.serving.conftest import CLASSIFICATION, Start

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LEGIBLE = 4.5  # contrast that WCAG's level AA asks of text
COLORS = """
const opaque = e => { for (; e; e = e.parentElement) {
  const color = getComputedStyle(e).backgroundColor;
  if (!/^rgba\\(.*, 0\\)$/.test(color)) return color;
} return "rgb(255, 255, 255)" };
const own = e => [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data).join("").trim();
const text = e => e.matches("input, select") ? e.value : own(e);
return [...document.querySelectorAll("body *:not(script, style, option)")]
  .filter(e => e.offsetParent && text(e))
  .map(e => [text(e), getComputedStyle(e).color, opaque(e)]);
"""

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"
)
pytestmark = [pytest.mark.slow, needs_chromium]


def start_chromium(profile: Path, names: str = "") -> Chrome:
    """Chromium with its own profile that reaches 127.0.0.1, and the names of resolver rules."""
    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    rules = f"--host-resolver-rules={names}MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    for option in (*OPTIONS, rules, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(options, ChromeService(DRIVER))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Chromium in which a page that needs another host does not work."""
    browser = start_chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium: Chrome) -> Chrome:
    """Chromium as it was before any test."""
    chromium.get("about:blank")
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    for kind in ("browser", "performance"):
        log(chromium, kind)
    return chromium


def log(browser: Chrome, kind: str) -> list[dict[str, Any]]:
    """What the log holds since it was read before."""
    entries: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def visit(browser: Chrome, url: str) -> None:
    """Open the page and wait for its first answer."""
    browser.get(url)
    wait(browser, lambda: len(answers(browser)) == 1)


def wait(browser: Chrome, true: Any) -> None:
    """Return when it is true; fail when it stays false."""
    WebDriverWait(browser, 10, poll_frequency=0.05).until(lambda _: true())


def entry(browser: Chrome, column: str) -> WebElement:
    """The form's entry for a column, found by its label."""
    script = "return fields.find(f => f.column.name === arguments[0]).input"
    element: WebElement = browser.execute_script(script, column)
    return element


def fill(browser: Chrome, column: str, text: str) -> None:
    """Type into an entry; in a list of choices that chooses."""
    element = entry(browser, column)
    if element.tag_name == "input":
        element.clear()
    element.send_keys(text)


def shown(browser: Chrome, css: str) -> list[str]:
    """The texts that a person sees."""
    return [element.text for element in browser.find_elements(By.CSS_SELECTOR, css)]


def answers(browser: Chrome) -> list[list[str]]:
    """The page's last answers, newest first: at, prediction, milliseconds, prediction id."""
    script = (
        "return [...document.querySelectorAll('#last tr')]"
        ".map(r => [...r.cells].map(c => c.textContent))"
    )
    rows: list[list[str]] = browser.execute_script(script)
    return rows


def trial(browser: Chrome) -> Prediction:
    """The journal's entry for the newest of the last answers."""
    newest = answers(browser)[0][3]  # read first: meanwhile the page may ask again
    return {p.prediction_id: p for p in Journal().predictions(role="trial")}[newest]


def errors(browser: Chrome) -> list[str]:
    """What the console complains about."""
    return [
        entry["message"]
        for entry in log(browser, "browser")
        if entry["level"] in ("SEVERE", "WARNING")
    ]


def asked(browser: Chrome) -> set[str]:
    """Every address that the page asked for."""
    events = [json.loads(entry["message"])["message"] for entry in log(browser, "performance")]
    return {
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    }


def test_it_answers_as_one_types_and_as_predict_does(start: Start, browser: Chrome) -> None:
    server = start()
    visit(browser, server.url)
    typed: dict[str, Any] = {"class": 7, "plan": "it's", "city": "Lima", "note": "billing"}
    for column, given in typed.items():
        fill(browser, column, str(given))
        wait(browser, lambda column=column, given=given: trial(browser).features[column] == given)
    expected = httpx2.post(f"{server.url}/predict", json=trial(browser).features).json()
    assert shown(browser, "#answer") == [expected["prediction"]]
    shares = sorted(expected["probabilities"].items(), key=lambda share: -share[1])
    assert shown(browser, ".share") == [f"{name}\n{100 * share:.1f} %" for name, share in shares]

    last = answers(browser)
    assert last[0][1] == expected["prediction"]
    assert all(float(milliseconds) > 0 for _, _, milliseconds, _ in last)
    assert {row[3] for row in last} <= {
        p.prediction_id for p in Journal().predictions(role="trial")
    }
    assert trial(browser).probabilities == expected["probabilities"]

    assert shown(browser, "#version") == ["version 1"]
    assert "0" * 40 in browser.execute_script("return document.getElementById('model').textContent")
    assert shown(browser, "#quality .decides td, #quality tr:nth-child(2) td")[:2] == [
        "roc auc",
        "0.9",
    ]
    assert errors(browser) == []
    own = {f"{server.url}/{path}" for path in ("", "model", "openapi.json", "predict?trial")}
    assert asked(browser) - {"data:,", f"{server.url}/explain"} == own


def test_it_says_why_as_one_types(start: Start, browser: Chrome) -> None:
    server = start()
    visit(browser, server.url)
    fill(browser, "class", "88")
    wait(browser, lambda: trial(browser).features["class"] == 88)
    wait(browser, lambda: "class: 88" in " ".join(shown(browser, "#bars .move")))
    expected = httpx2.post(f"{server.url}/explain", json=trial(browser).features).json()
    assert shown(browser, "#because") == [expected["sentence"].replace("`", "")]
    told = shown(browser, "#bars .move")
    assert len(told) == len(CLASSIFICATION.names)
    first = expected["contributions"][0]
    sign = "+" if first["contribution"] > 0 else "\N{MINUS SIGN}"
    assert told[0].startswith(f"{first['column']}: ")
    assert told[0].endswith(f"\n{sign}{100 * abs(first['contribution']):.1f}")
    widths = browser.execute_script(
        "return [...document.querySelectorAll('#bars i')].map(e => e.getBoundingClientRect().width)"
    )
    assert widths == sorted(widths, reverse=True)
    assert "against 64 held-out rows, from all combinations" in shown(browser, "#compared")[0]
    assert errors(browser) == []
    fill(browser, "class", "many")  # what is refused has no reasons
    wait(browser, lambda: shown(browser, "#because") == [""])


def test_what_is_wrong_is_told_beside_the_answer_before(start: Start, browser: Chrome) -> None:
    visit(browser, start().url)
    last_answer = shown(browser, "#answer")
    fill(browser, "class", "many")
    wait(browser, lambda: entry(browser, "class").get_attribute("aria-invalid") == "true")
    assert 'column "class": "many" is not a whole number' in shown(browser, "#refused")[0]
    assert entry(browser, "class").get_attribute("aria-describedby") == "refused"
    assert (
        shown(browser, "#answer"),
        browser.find_element(By.ID, "answer").get_attribute("class"),
    ) == (last_answer, "old")
    fill(browser, "class", "7")
    wait(browser, lambda: entry(browser, "class").get_attribute("aria-invalid") is None)
    assert shown(browser, "#refused") == [""]


def test_every_entry_has_a_label_and_its_turn_on_the_keyboard(
    start: Start, browser: Chrome
) -> None:
    visit(browser, start().url)
    browser.execute_script("fields[0].input.focus()")
    for column in CLASSIFICATION.names:
        focused = browser.switch_to.active_element
        assert focused.accessible_name.split(" (")[0].startswith(column)
        focused.send_keys(Keys.TAB)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_legible(start: Start, browser: Chrome, scheme: str) -> None:
    server = start()
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    visit(browser, server.url)
    fill(browser, "class", "many")
    wait(browser, lambda: shown(browser, "#refused") != [""])
    texts = browser.execute_script(COLORS)
    browser.get(f"{server.url}/docs")
    wait(browser, lambda: len(browser.execute_script(COLORS)) > 20)
    texts += browser.execute_script(COLORS)
    assert {text: contrast(*colors) for text, *colors in texts if contrast(*colors) < LEGIBLE} == {}
    assert (luminance(texts[0][1]) > 0.5) == (scheme == "dark")


def luminance(color: str) -> float:
    """Relative luminance of `rgb(r, g, b)`."""
    parts = [float(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colors."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_it_fits_a_telephone(start: Start, browser: Chrome) -> None:
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    server = start()
    width = "return document.documentElement.scrollWidth"
    visit(browser, server.url)
    assert browser.execute_script(width) <= 400
    top = "return document.getElementById(arguments[0]).getBoundingClientRect().top"
    # the answer is in sight
    assert browser.execute_script(top, "now") < browser.execute_script(top, "form")
    browser.get(f"{server.url}/docs")
    wait(browser, lambda: "POST /predict" in shown(browser, "h2"))
    assert browser.execute_script(width) <= 400


def test_with_keys_it_asks_for_one(start: Start, browser: Chrome) -> None:
    browser.get(start(env={"ML_API_KEYS": "a-key-of-the-page"}).url)
    key = browser.find_element(By.ID, "key")
    wait(browser, key.is_displayed)
    assert not browser.find_element(By.ID, "form").is_displayed()
    key.send_keys("a-key-of-the-page", Keys.TAB)
    wait(browser, lambda: len(answers(browser)) == 1)
    assert not key.is_displayed()


def test_a_number_is_shown_as_it_is_answered(start: Start, browser: Chrome) -> None:
    server = start(env={"ML_BUNDLE": "serving/releases/r"})
    visit(browser, server.url)
    fill(browser, "a", "3.5")
    expected = httpx2.post(
        f"{server.url}/predict", json={"a": 3.5, "b": entry(browser, "b").get_attribute("value")}
    )
    wait(browser, lambda: len(answers(browser)) == 2)
    assert float(shown(browser, "#answer")[0]) == pytest.approx(
        expected.json()["prediction"], rel=1e-6
    )

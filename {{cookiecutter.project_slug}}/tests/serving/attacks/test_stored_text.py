"""Text that somebody sends is read by others later: in reports, pages, Slack, a terminal."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from ml.bundle import load_bundle
from ml.contract import Categorical, Contract, Target
from ml.errors import MESSAGE, SENTENCE, SHOWN, UserError
from ml.journal.labels import label_file
from ml.journal.scan import Span
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.inputs.window import Window, read_window
from ml.monitoring.reports import alerts, html, terminal
from ml.monitoring.reports.evidently import labels, write_report
from ml.monitoring.verdict import Finding, Verdict, decide
from ml.scoring import answer
from ml.serving.logs import JsonLines
from tests.monitoring import conftest as monitored
from tests.test_errors import ANY_TEXT, ESCAPES, LONG, MENTION, SCRIPT, is_plain

# --- the terminal ---------------------------------------------------------------------------------


@given(text=ANY_TEXT | LONG)
def test_an_error_is_printable_however_it_is_printed(text: str) -> None:
    r"""A class `\x1b]0;…` in a file changed the terminal's title when its error was printed."""
    error = UserError(f"outcomes.csv: outcome {text}", f"mend {text}")
    assert is_plain(str(error))
    assert str(error).count("\n") == 1  # the line of the next command is ours
    assert len(error.what) <= MESSAGE


CONTRACT = Contract(
    target=Target(name="left", task="binary", classes=("no", "yes")),
    columns=(Categorical(name="plan", kind="categorical", levels=("basic", "plus")),),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example(text=ESCAPES.replace("\ud800", ""))
def test_ml_label_repeats_an_outcome_harmlessly(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.journal.labels.load_contract", lambda: CONTRACT)
    path = tmp_path / "outcomes.jsonl"
    path.write_text(json.dumps({"prediction_id": "1", "outcome": f"{text}!"}))
    with pytest.raises(UserError) as refused:
        label_file(path)
    assert is_plain(str(refused.value))


@settings(max_examples=30)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example(text=ESCAPES.replace("\ud800", ""))
def test_ml_score_repeats_a_level_harmlessly(releases: Path, text: str) -> None:
    import pyarrow as pa

    bundle = load_bundle(releases / "r")
    with pytest.raises(UserError) as refused:
        answer(pa.RecordBatch.from_pylist([{"a": 1.0, "b": f"{text}!"}]), bundle)
    assert is_plain(str(refused.value))


def verdict(text: str) -> Verdict:
    """What verdict.json holds when a column and a level are called so."""
    finding = Finding.model_construct(
        check="quality",
        what="unlisted",
        column=text,
        words=f'`{text}`: 30.0% of its values are not listed ("{text}")',
        value=0.3,
        limit=0.05,
        severity="ticket",
    )
    decided = decide([finding])
    return monitored.verdict_of(
        model=text,
        version=text,
        tier="ticket",
        verdict=decided.verdict,
        action=decided.action,
        evidence=decided.evidence,
        findings=decided.findings,
        versions={text: 3, "3": 4},
        not_in_report=(text,),
    )


@given(text=ANY_TEXT | LONG)
def test_ml_monitor_shows_a_level_harmlessly(text: str) -> None:
    """A pooled level sent in a request reached the terminal of `ml monitor` as escape sequences."""
    page = io.StringIO()
    Console(file=page, width=80).print(terminal.table(verdict(text)))
    assert is_plain(page.getvalue())
    assert len(page.getvalue()) < 5000


@given(text=ANY_TEXT | LONG)
def test_a_log_line_is_one_line_of_ascii(text: str) -> None:
    line = JsonLines().format(
        logging.LogRecord("ml", logging.WARNING, "", 1, "failed: %s", (text,), None)
    )
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == f"failed: {text}"


# --- Slack ----------------------------------------------------------------------------------------


@given(text=ANY_TEXT | LONG)
@example(text=MENTION)
def test_an_alert_mentions_nobody(text: str) -> None:
    """A level `<!channel> <https://…|…>` notified a whole channel, with the attacker's link."""
    told = alerts.text(verdict(text))
    assert not set(told) & set("<>@")
    assert not re.search(r"&(?!amp;|lt;|gt;)", told)
    assert told.count("\n") == 2
    assert len(told) < 5 * SENTENCE


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    address=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)
    | st.sampled_from(
        [
            "http://127.0.0.1:1/\x1bhook",
            "http://127.0.0.1:1/\n",
            "ftp://a/secret",
            "http://[::1/secret",
        ]
    )
    | st.text().map(
        lambda path: (
            f"http://127.0.0.1:1/{path}".replace("\x00", "").encode(errors="ignore").decode()
        )
    )
)
@example(address="http://127.0.0.1:99999/secret")
def test_any_address_of_the_webhook_costs_one_line(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A control character in ALERT_WEBHOOK ended `ml monitor` in a traceback."""
    monkeypatch.setenv("ALERT_WEBHOOK", address)
    assert not alerts.send(verdict("plan"), tmp_path / "alerts.json", pause=0)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("ALERT_WEBHOOK: nobody was told: ")
    assert "secret" not in said  # the address is one


# --- our own pages --------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The tags and attributes' names of a page, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Any] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [] if tag == "code" else [(tag, [name for name, _ in attrs])]


@given(text=ANY_TEXT | LONG)
def test_our_pages_have_the_same_tags_whatever_they_show(text: str) -> None:
    def page(shown: Verdict) -> list[Any]:
        return Tags(html._header(shown) + html.index_page([shown], Path("nowhere"))).found

    assert page(verdict(text)) == page(verdict("plan"))


@given(text=ANY_TEXT | LONG)
def test_our_pages_are_short_whatever_they_show(text: str) -> None:
    assert len(html.index_page([verdict(text)], Path("nowhere"))) < 15_000
    assert len(html._header(verdict(text))) < 10_000


# --- Evidently's pages ----------------------------------------------------------------------------


@given(texts=st.lists(ANY_TEXT, unique=True, max_size=30))
@example(texts=["x" * 90, "x" * 91, "x" * 79 + "…", "x" * 72 + " (2)"])
def test_labels_of_a_report_are_short_without_markup_and_distinct(texts: list[str]) -> None:
    shown = labels(texts)
    assert list(shown) == texts
    assert len(set(shown.values())) == len(texts)
    assert all(
        len(label) <= SHOWN and is_plain(label) and not set(label) & set("<>")
        for label in shown.values()
    )


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
    before = champion.reference.replace({"left": classes, "prediction": classes}).rename(
        columns=columns
    )
    sample = window.sample.rename(columns=columns)
    sample.loc[sample.index[:200], columns["plan"]] = text
    return (
        replace(champion, contract=Contract.model_validate(about), reference=before),
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
    write_report(folder, window, champion, [], {})
    for path in folder.glob("*.html"):
        html.prepend_header(path, verdict("plan"))
    return {path.name: path.read_text() for path in folder.glob("*.html")}


@pytest.mark.slow
@pytest.mark.parametrize("text", [SCRIPT, "<body>", "<!--<script>", "x" * 4000])
def test_evidentlys_pages_hold_text_and_no_markup(
    text: str, champion: Champion, window: Window, tmp_path: Path
) -> None:
    """A pooled level `</script><script>…` ran in the browser of whoever opened report.html."""
    usual = pages(tmp_path / "usual", champion, window)
    found = pages(tmp_path / "hostile", *hostile(champion, window, text))
    assert sorted(found) == ["performance.html", "report.html"]
    for name, page in found.items():
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
    found = pages(
        tmp_path / "many", champion, replace(window, sample=window.sample.assign(plan=plan))
    )
    assert len(found["report.html"]) < 5_000_000


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

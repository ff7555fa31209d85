"""Text that somebody sends is read by others later: in a terminal, in Slack, on our pages."""

from __future__ import annotations

import io
import json
import logging
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from ml.bundle import load_bundle
from ml.contract import Categorical, Contract, Target
from ml.errors import MESSAGE, SENTENCE, UserError
from ml.journal.labels import label_file
from ml.monitoring.reports import alerts, html, terminal
from ml.monitoring.verdict import Finding, Verdict, decide
from ml.serving.logs import JsonLines
from ml.standalone.scoring import answer
from tests.monitoring import conftest as monitored
from tests.test_errors import ANY_TEXT, ESCAPES, LONG, MENTION, is_plain

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


@settings(max_examples=30, deadline=None)
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
    message = alerts.text(verdict(text))
    assert not set(message) & set("<>@")
    assert not re.search(r"&(?!amp;|lt;|gt;)", message)
    assert message.count("\n") == 2
    assert len(message) < 5 * SENTENCE


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
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert warning.startswith("ALERT_WEBHOOK: nobody was told: ")
    assert "secret" not in warning  # the address is one


# --- our own pages --------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The tags and attributes' names of a page, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[Any] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags += [] if tag == "code" else [(tag, [name for name, _ in attrs])]


@given(text=ANY_TEXT | LONG)
def test_our_pages_have_the_same_tags_whatever_they_show(text: str) -> None:
    def tags(judged: Verdict) -> list[Any]:
        return Tags(html._header(judged) + html.index_page([judged], Path("nowhere"))).tags

    assert tags(verdict(text)) == tags(verdict("plan"))


@given(text=ANY_TEXT | LONG)
def test_our_pages_are_short_whatever_they_show(text: str) -> None:
    assert len(html.index_page([verdict(text)], Path("nowhere"))) < 15_000
    assert len(html._header(verdict(text))) < 10_000

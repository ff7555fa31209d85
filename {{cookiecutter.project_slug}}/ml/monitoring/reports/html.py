"""How verdicts look on the HTML pages: the style sheet and the pieces that the index and the reports share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from ml.atomic import write_text
from ml.errors import SENTENCE, printable
from ml.monitoring.verdict import DO

if TYPE_CHECKING:
    from pathlib import Path

STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #566270; --line: #dde3ea; --ground: #fff; --link: #0b57d0;
  --ok: #2c7d4f; --grey: #5f6b78; --amber: #9a5b00; --red: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --soft: #a3afbd; --line: #35414e; --ground: #151b22;
  --link: #8ab4f8 } }
.ml { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground) }
.ml a { color: var(--link) } .ml ul { margin: 0; padding-left: 1.1rem } .ml li + li { margin-top: .25rem }
.ml code { font: .93em ui-monospace, monospace; background: var(--line); border-radius: .25rem; padding: 0 .25rem }
.ml .soft { color: var(--soft) } .ml .small { font-size: .87rem }
.ml .verdict { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; font-weight: 600; color: #fff }
.ml .ok { background: var(--ok) } .ml .insufficient { background: var(--grey) } .ml .drift { background: var(--amber) }
.ml .decay, .ml .broken { background: var(--red) }
"""
HEAD = """
header.ml { padding: 1.2rem 1.6rem; border-bottom: 1px solid var(--line) }
header.ml p, header.ml ul { margin: .5rem 0 } header.ml .verdict { font-size: 1.1rem; margin-right: .3rem }
"""
TIER = {"ticket": "ticket", "page": "page: second in a row"}


def badge(shown: dict[str, Any]) -> str:
    """The verdict's word in its colour, and the tier."""
    tier = f' <span class="soft small">{TIER[shown["tier"]]}</span>' if shown["tier"] else ""
    return f'<span class="verdict {shown["verdict"]}">{shown["verdict"]}</span>{tier}'


def span(shown: dict[str, Any]) -> str:
    """The window's two moments, without the time of day where both are midnight."""
    moments = [datetime.fromtimestamp(shown[end], UTC) for end in ("start", "end")]
    style = (
        "%Y-%m-%d"
        if all(moment.strftime("%H%M") == "0000" for moment in moments)
        else "%Y-%m-%d %H:%M"
    )
    return " to ".join(moment.strftime(style) for moment in moments)


def evidence(shown: dict[str, Any]) -> str:
    """The evidence as a list, names in code's type."""
    return (
        "<ul>"
        + "".join(f"<li>{marked(printable(words, SENTENCE))}</li>" for words in shown["evidence"])
        + "</ul>"
    )


def text(words: str) -> str:
    """A name from outside as text of a page."""
    return escape(printable(words))


def marked(words: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escape(words))


def prepend_header(path: Path, shown: dict[str, Any]) -> None:
    """Put the verdict over one of Evidently's pages; a page that was not written is left alone."""
    if not path.is_file():
        return
    page = path.read_text(encoding="utf-8")
    write_text(path, page.replace("<body>", f"<body>{_header(shown)}", 1))


def _header(shown: dict[str, Any]) -> str:
    left_out = ", ".join(f"`{printable(name)}`" for name in shown["not_in_report"])
    note = f"Not below, because one side is empty: {left_out}" if left_out else ""
    links = "<a href='../index.html'>all windows</a> · <a href='verdict.json'>verdict.json</a>"
    return (
        f"<style>{STYLE}{HEAD}</style><header class='ml'>{badge(shown)} <b>{text(shown['model'])}</b> version "
        f"{text(shown['version'])}, {shown['rows']:,} rows, {span(shown)} UTC"
        f"{evidence(shown)}<p><b>{shown['action']}</b>: {marked(DO[shown['action']])}</p>"
        f"<p class='soft small'>{marked(note)}</p><p class='small'>{links}</p></header>"
    )

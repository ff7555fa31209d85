"""Alerts: a webhook (Slack-compatible JSON), retried, and silent while there is nothing new.

Reads: ALERT_WEBHOOK (an address; unset: nobody is told). Reads and writes:
reports/monitoring/alerts.json, what was said last, so that the same alarm is told once and its end
once.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from ml.atomic import write_json
from ml.errors import SENTENCE, printable
from ml.monitoring.verdict import DO

if TYPE_CHECKING:
    from pathlib import Path

    from ml.monitoring.verdict import Verdict

ATTEMPTS = 4
PAUSE = 0.5  # seconds before the second attempt; doubles
TIMEOUT = 5.0  # seconds
SIGN = {None: "OK", "ticket": "TICKET", "page": "PAGE"}


def send(verdict: Verdict, state: Path, pause: float = PAUSE) -> bool:
    """Tell the webhook if the alarm is new, has grown, or is over; True if it was told.

    A receiver that stays away costs a line on stderr and nothing else: the alarm is told by the
    next run.
    """
    address = os.environ.get("ALERT_WEBHOOK")
    now = alarm(verdict)
    if not address or now == _last(state):
        return False
    if not _post(address, {"text": text(verdict)}, pause):
        return False
    write_json(state, now)
    return True


def alarm(verdict: Verdict) -> dict[str, Any]:
    """What makes an alarm the same: version, tier, verdict, columns; empty when all is well."""
    if verdict.tier is None:
        return {}
    columns = sorted({f.column or f.what for f in verdict.tickets})
    return {
        "version": verdict.version,
        "tier": verdict.tier,
        "verdict": verdict.verdict,
        "columns": columns,
    }


def _last(state: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {}
    return said


def text(verdict: Verdict) -> str:
    """The message, in Slack's markup; what came from outside is text in it."""
    model, version = inert(verdict.model), inert(verdict.version)
    head = f"*{SIGN[verdict.tier]}* {model} version {version}: *{verdict.verdict}*"
    first = f"{head} ({verdict.rows:,} rows, {verdict.window})"
    lines = [f"• {inert(words)}" for words in verdict.evidence[:8]]
    return "\n".join([first, *lines, f"Action: {verdict.action}: {DO[verdict.action]}"])


def inert(words: str) -> str:
    """Words that mention nobody, hide no link and stay on their line, in Slack and in Mattermost.

    Slack's documentation escapes `&`, `<` and `>`; Mattermost also notifies at a plain `@channel`.
    """
    escaped = (
        printable(words, SENTENCE).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    )
    return escaped.replace("@", "\N{FULLWIDTH COMMERCIAL AT}")


def _post(address: str, message: dict[str, str], pause: float) -> bool:
    import httpx2

    if not _is_address(address):
        _told_nobody("it is not an address that begins with http:// or https://")
        return False
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            answer = httpx2.post(address, json=message, timeout=TIMEOUT)
            if answer.is_success:
                return True
            problem = f"HTTP {answer.status_code}"
        except httpx2.HTTPError as error:
            problem = str(error) or type(error).__name__
    _told_nobody(f"{ATTEMPTS} attempts: {problem}")
    return False


def _is_address(address: str) -> bool:
    import httpx2

    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, UnicodeError):
        return False
    return url.scheme in ("http", "https") and bool(url.host) and address.isprintable()


def _told_nobody(problem: str) -> None:
    """The address is a secret: it is not printed."""
    from rich.console import Console

    words = printable(f"ALERT_WEBHOOK: nobody was told: {problem}", SENTENCE)
    Console(stderr=True).print(words, markup=False, soft_wrap=True)

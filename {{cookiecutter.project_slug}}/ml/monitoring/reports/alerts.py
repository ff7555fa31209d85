"""Alerts: a webhook (Slack-compatible JSON), retried, and silent while there is nothing new.

Reads: ALERT_WEBHOOK (an address; unset: no alert is sent). Reads and writes:
reports/monitoring/alerts.json, the alarm that was sent last, so that the same alarm is sent once
and its end once.
"""

from __future__ import annotations

import html
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
    """Call the webhook if the alarm is new, has grown, or is over; True if it was received.

    A receiver that does not answer costs a line on stderr and nothing else: the next run sends the
    alarm.
    """
    address, current = os.environ.get("ALERT_WEBHOOK"), alarm(verdict)
    if not address or current == _last(state):
        return False
    if not _post(address, {"text": text(verdict)}, pause):
        return False
    write_json(state, current)
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
    sent: dict[str, Any] = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {}
    return sent


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
    escaped = html.escape(printable(words, SENTENCE), quote=False)
    return escaped.replace("@", "\N{FULLWIDTH COMMERCIAL AT}")


def _post(address: str, message: dict[str, str], pause: float) -> bool:
    """Whether the webhook took the message within ATTEMPTS."""
    if not _is_address(address):
        _warn("it is not an address that begins with http:// or https://")
        return False
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        problem = _attempt(address, message)
        if problem is None:
            return True
    _warn(f"{ATTEMPTS} attempts: {problem}")
    return False


def _attempt(address: str, message: dict[str, str]) -> str | None:
    """What kept the webhook from taking the message, if anything did."""
    import httpx2

    try:
        answer = httpx2.post(address, json=message, timeout=TIMEOUT)
    except httpx2.HTTPError as error:
        return str(error) or type(error).__name__
    return None if answer.is_success else f"HTTP {answer.status_code}"


def _is_address(address: str) -> bool:
    import httpx2

    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, UnicodeError):
        return False
    return url.scheme in ("http", "https") and bool(url.host) and address.isprintable()


def _warn(problem: str) -> None:
    """A line on stderr. The address is a secret: it is not printed."""
    from rich.console import Console

    words = printable(f"ALERT_WEBHOOK: nobody was told: {problem}", SENTENCE)
    Console(stderr=True).print(words, markup=False, soft_wrap=True)

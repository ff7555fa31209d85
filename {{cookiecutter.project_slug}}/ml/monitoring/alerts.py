"""Tells people: a webhook (Slack-compatible JSON), retried, and silent while nothing new is to be said.

Reads: ALERT_WEBHOOK (an address; unset: nobody is told). Reads and writes: reports/monitoring/alerts.json, what was
said last, so that the same alarm is told once and its end once.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from ml.monitoring.stored import write_json
from ml.monitoring.verdict import DO

if TYPE_CHECKING:
    from pathlib import Path

ATTEMPTS = 4
PAUSE = 0.5  # seconds before the second attempt; doubles
TIMEOUT = 5.0  # seconds
SIGN = {None: "OK", "ticket": "TICKET", "page": "PAGE"}


def send(shown: dict[str, Any], state: Path, pause: float = PAUSE) -> bool:
    """Tell the webhook if the alarm is new, has grown, or is over; True if it was told.

    A receiver that stays away costs a line on stderr and nothing else: the alarm is told by the next run.
    """
    address = os.environ.get("ALERT_WEBHOOK")
    now = alarm(shown)
    if not address or now == _last(state):
        return False
    if not _post(address, {"text": text(shown)}, pause):
        return False
    write_json(state, now)
    return True


def alarm(shown: dict[str, Any]) -> dict[str, Any]:
    """What makes an alarm the same alarm: model version, tier, verdict and the columns; nothing when all is well."""
    if shown["tier"] is None:
        return {}
    columns = sorted({f["column"] or f["what"] for f in shown["findings"] if f["severity"] == "ticket"})
    return {"version": shown["version"], "tier": shown["tier"], "verdict": shown["verdict"], "columns": columns}


def _last(state: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {}
    return said


def text(shown: dict[str, Any]) -> str:
    """The message, in Slack's markup."""
    head = f"*{SIGN[shown['tier']]}* {shown['model']} version {shown['version']}: *{shown['verdict']}*"
    first = f"{head} ({shown['rows']:,} rows, {shown['window']})"
    lines = [f"• {words}" for words in shown["evidence"][:8]]
    return "\n".join([first, *lines, f"Action: {shown['action']}: {DO[shown['action']]}"])


def _post(address: str, message: dict[str, str], pause: float) -> bool:
    import httpx2
    from rich.console import Console

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
    # the address is a secret: it is not printed
    Console(stderr=True).print(f"ALERT_WEBHOOK: not told after {ATTEMPTS} attempts: {problem}", markup=False)
    return False

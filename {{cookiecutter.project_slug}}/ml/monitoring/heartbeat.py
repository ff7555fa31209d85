"""Proof that the loop still runs: when it made its last pass, and when the next is due.

Reads and writes: serving/loop.json. `ml loop --watch` shows the same to Prometheus; the rule
LoopStopped alerts where the moment gets too old or the metric is gone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ml.atomic import write_json
from ml.encode import DAY_SECONDS

FILE = Path("serving/loop.json")
LATE = 2.0  # intervals after which a loop counts as stopped


def beat(at: float, action: str, next_at: float | None, path: Path = FILE) -> None:
    """Write down a pass.

    Args:
        at: unix seconds.
        action: what it did.
        next_at: when the next one is due; None: somebody else decides, as cron does.
        path: the file.
    """
    write_json(path, {"at": at, "action": action, "next_at": next_at})


def stopped(now: float, path: Path = FILE) -> str | None:
    """Why the loop counts as stopped; None: it runs, or was never started with --watch."""
    if not path.is_file():
        return None
    try:
        last: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        last = {name: last[name] for name in ("at", "next_at")}
    except (ValueError, KeyError, TypeError):
        return f"{path}: cannot be read; the loop's next pass writes it anew"
    if last["next_at"] is None:
        return None
    overdue = now - last["at"] - LATE * (last["next_at"] - last["at"])
    if overdue <= 0:
        return None
    days = (now - last["at"]) / DAY_SECONDS
    return f"the loop has made no pass for {days:.1f} days: `ml loop --watch` is not running"

"""Logs as JSON lines: messages on stderr, and with serve.log_answers each answer on stdout."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from datetime import datetime

from ml.clock import moment
from ml.journal.records import Record, first_ids


class JsonLines(logging.Formatter):
    """A log record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger and message; the traceback where there is one."""
        line = {
            "at": _milliseconds(moment()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)  # in ASCII: text of a request cannot control a terminal


def use_json_lines() -> None:
    """Let every logger of this process write JSON lines to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # it logs a warning for each request that is not HTTP
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def log_answer(entries: Sequence[Record], seconds: float) -> None:
    """One line on stdout for an answered request, with the ids by which its rows are found."""
    line = {
        "at": _milliseconds(moment()),
        "event": "answered",
        "prediction_ids": first_ids(entries),
        "rows": sum(entry.rows for entry in entries),
        "versions": sorted({entry.version for entry in entries}),
        "milliseconds": round(seconds * 1000, 3),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _milliseconds(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")

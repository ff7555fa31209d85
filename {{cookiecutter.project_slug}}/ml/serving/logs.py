"""Logs as JSON lines: messages on stderr, and with serve.log_answers each answer on stdout."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Sequence
from datetime import datetime

from ml.clock import moment
from ml.errors import UserError
from ml.journal.records import Record, first_ids
from ml.journal.store import JournalError


class JsonLines(logging.Formatter):
    """A log record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger and message; where the exception came from and what it is."""
        line = {
            "at": _milliseconds(moment()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            kind, _, frames = record.exc_info
            # no message of an exception: it may repeat a value of a request
            line["traceback"] = "".join([*traceback.format_tb(frames), kind.__name__])
        return json.dumps(line)  # in ASCII: text of a request cannot control a terminal


def without_values(error: Exception) -> str:
    """An error for a log: our own words, else its kind, since a message may repeat a value."""
    is_ours = isinstance(error, ArithmeticError | JournalError | UserError)
    return str(error) if is_ours else type(error).__name__


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

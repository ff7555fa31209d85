"""This service with a journal that keeps nothing, on a port: what the journal costs beside it."""

from __future__ import annotations

import sys
from typing import Any

from ml.journal.append_connection import AppendConnection
from ml.serving.process.server import serve


def nothing(*_: Any) -> None:
    """In place of an insert, and of a sync."""


if __name__ == "__main__":
    AppendConnection.insert = nothing  # type: ignore[assignment,method-assign]
    AppendConnection.sync = nothing  # type: ignore[assignment,method-assign]
    serve(port=int(sys.argv[1]))

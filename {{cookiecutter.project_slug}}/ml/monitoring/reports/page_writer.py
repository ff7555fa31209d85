"""The child process that writes Evidently's pages: importing and running it takes seconds.

The verdict stands before the child starts and never depends on it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import ml
from ml.monitoring.reports import page_inputs

if TYPE_CHECKING:
    Child = subprocess.Popen[bytes]

MODULE = "ml.monitoring.reports.evidently"
CODE = str(Path(ml.__file__).parents[1])  # the child runs its parent's code


def start(folder: Path) -> Child | None:
    """Start the child for a window's folder; None where it cannot be started.

    It has a session of its own: it goes on when the terminal is closed. Nothing it prints is read,
    so that a pipe behind `ml monitor` ends with it.
    """
    path = os.pathsep.join([CODE, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, str(folder)],
            env=os.environ | {"DO_NOT_TRACK": "1", "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        page_inputs.write_failure(folder, f"no child process: {error.strerror}")
        return None


def wait(child: Child, folder: Path) -> str | None:
    """Wait for the child; None, or why there is no page."""
    status = child.wait()
    if status == 0:
        return None
    return page_inputs.failure(folder) or f"the child process ended with status {status}"

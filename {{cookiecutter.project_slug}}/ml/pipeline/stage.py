"""How every stage is run: `run_stage(main)` under `if __name__ == "__main__"`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from ml.errors import UserError, disk_full_told
from ml.progress import working

# Held by whoever runs the stages where others may: the loop, deploy/kubernetes/flow. DVC's own
# locks take a process in another container for dead.
FLOW_LOCK = Path(".dvc/tmp/flow.lock")


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main` beside a clock.

    A `UserError` becomes one message and exit status 2, and so does a full disk.
    """
    try:
        with working(Path(sys.argv[0]).stem), disk_full_told("make flow"):
            main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None

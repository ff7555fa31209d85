"""How every stage is run: `run_stage(main)` under `if __name__ == "__main__"`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from ml.errors import UserError
from ml.progress import working


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main` beside a clock; a `UserError` becomes one message and exit status 2."""
    try:
        with working(Path(sys.argv[0]).stem):
            main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None

"""DVC in a process of its own, which can be started before it is known what to ask.

DVC takes longer to import than a small table takes to be read and understood: both go on at once.
Run as a script (`python -P dvc_process.py`) it imports DVC and waits for its arguments, one line of
JSON; without a line it ends and has done nothing.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# what `dvc add` imports only when it runs; a version of DVC without one of them is slower, no more
IMPORTED_EARLY = ("dvc.repo", "dvc.commands.add", "dvc.stage.cache", "dvc.scm", "networkx")

_waiting: list[subprocess.Popen[str]] = []  # started early, none or one


@contextmanager
def early_start() -> Iterator[None]:
    """Start DVC now; the first `run` inside asks this process, without one it is ended."""
    _waiting.append(_popen([sys.executable, "-P", __file__]))
    try:
        yield
    finally:
        for process in _waiting:
            process.kill()
            process.communicate()
        _waiting.clear()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run DVC to its end, in the process that was started early or in a new one."""
    if _waiting:
        process, asked = _waiting.pop(), json.dumps(arguments)
    else:
        process, asked = _popen([sys.executable, "-m", "dvc", *arguments]), ""
    with process:
        output, errors = process.communicate(asked)
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


def _popen(command: list[str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def main() -> int:
    """Import DVC, wait for its arguments, run it; the exit status is DVC's."""
    try:
        dvc = importlib.import_module("dvc.cli")
    except ImportError as error:
        sys.exit(str(error))
    for name in IMPORTED_EARLY:
        with suppress(ImportError):
            importlib.import_module(name)
    asked = sys.stdin.readline()
    return int(dvc.main(json.loads(asked))) if asked else 0


if __name__ == "__main__":
    sys.exit(main())

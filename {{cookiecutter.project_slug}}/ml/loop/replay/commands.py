"""`ml replay`: a stream through the loop, in a copy of the project; progress, then the figures.

Reads: what git knows of the project, data/raw. Writes: .replay/ (the copy and its log) and
reports/replay/ (replay.json, index.html, replay.png); nothing else of the project.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ml import clock
from ml.contract import load_contract
from ml.errors import UserError
from ml.loop.replay.options import OUTPUTS, Options
from ml.loop.replay.simulation import scratch
from ml.loop.replay.story import FILE, read_story
from ml.loop.replay.summary import summary, window_line

if TYPE_CHECKING:
    from collections.abc import Iterator

END_SECONDS = 30.0  # for the child to stop its service after Ctrl-C


def replay(options: Options) -> None:
    """Run a replay; one line of JSON with the totals on stdout, all else on stderr.

    Raises:
        UserError: no table, too few rows for the windows, a first version that was refused.
    """
    load_contract()
    console = Console(stderr=True)
    scratch.make_copy()
    clock.set_clock(scratch.CLOCK, clock.now())
    with scratch.LOG.open("wb") as log, _child(options, log) as child:
        _follow(child, console)
    story = read_story(OUTPUTS / FILE)
    console.print(summary(story))
    console.print(f"next: open {OUTPUTS / 'index.html'} in a browser", highlight=False)
    print(story.totals.line())


@contextmanager
def _child(options: Options, log: Any) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "ml.loop.replay.child", options.model_dump_json()]
    child = subprocess.Popen(
        [*words, str(Path.cwd())],
        cwd=scratch.COPY,
        env=scratch.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        encoding="utf-8",
    )
    try:
        yield child
    except KeyboardInterrupt:  # Ctrl-C reaches the child too: it stops its service
        child.wait(END_SECONDS)
        raise
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def _follow(child: subprocess.Popen[str], console: Console) -> None:
    """Show what the child tells until it ends."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    error: UserError | None = None
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("copying the project", total=None)
        for line in child.stdout or ():
            told = json.loads(line)
            if "error" in told:
                error = UserError(told["error"], told["next"])
            if "windows" in told:
                progress.update(task, total=told["windows"])
            if "step" in told:
                progress.update(task, description=told["step"])
            if "window" in told:
                console.print(window_line(told["window"]), highlight=False)
                progress.update(task, advance=1, description=_now(told["window"]))
    _check(child.wait(), error)


def _now(window: dict[str, Any]) -> str:
    return f"version {window['champion']}, {window['verdict']}"


def _check(status: int, error: UserError | None) -> None:
    if error:
        raise error
    if status:
        last = scratch.LOG.read_text(encoding="utf-8", errors="replace").strip().split("\n")[-1]
        raise UserError(
            f"the replay stopped with status {status}: {last}", f"less {scratch.LOG}: the end of it"
        )

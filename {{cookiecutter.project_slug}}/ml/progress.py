"""What a person sees while something takes its time; nothing where no person looks (a log, a pipe).

Everything that shows progress does so with one of the three functions here. They write to the
terminal's stderr and leave no line behind.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from ml.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from ml.dataset.csv_file import Watch

NextStep = Callable[[str], None]
Advance = Callable[[int], None]


# what makes rich write to a pipe as if it were a terminal
AS_TERMINAL = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


@contextmanager
def working(what: str) -> Iterator[NextStep]:
    """A clock beside the name of what is running; what it yields shows the next step's name."""
    if not _is_seen():
        yield lambda _: None
        return
    from rich.progress import SpinnerColumn, TextColumn

    with _progress(SpinnerColumn(), TextColumn("{task.description}")) as progress:
        task = progress.add_task(what, total=None)
        yield lambda step: progress.update(task, description=step)


@contextmanager
def counting(what: str, total: int) -> Iterator[Advance]:
    """A bar over a known number of things; what it yields is told how many more are done."""
    if not _is_seen():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with _progress(*columns) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


@contextmanager
def reading() -> Iterator[Watch]:
    """A bar for each file that is read, by bytes."""
    if not _is_seen():
        yield lambda file, _size, _name: file
        return
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, TextColumn

    columns = (TextColumn("reading {task.description}"), BarColumn(), DownloadColumn())
    with _progress(*columns) as progress:

        def watch(file: BinaryIO, size: int, name: str) -> BinaryIO:
            return progress.wrap_file(file, total=size, description=escape(printable(name)))

        yield watch


def _is_seen() -> bool:
    """Whether a person may look. Importing rich takes longer than some of the stages work."""
    return sys.stderr.isatty() or any(os.environ.get(name) for name in AS_TERMINAL)


@contextmanager
def _progress(*columns: ProgressColumn) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn

    console = Console(stderr=True)
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield progress

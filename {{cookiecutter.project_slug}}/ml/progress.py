"""What a person sees while something takes its time; nothing where no person looks (a log, a pipe).

Everything that shows progress does so with one of the three functions here. They write to the
terminal's stderr and leave no line behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ml.dataset.reader import Watch
from ml.errors import printable

NextStep = Callable[[str], None]
Advance = Callable[[int], None]


@contextmanager
def working(what: str) -> Iterator[NextStep]:
    """A clock beside the name of what is running; what it yields shows the next step's name."""
    with _progress(SpinnerColumn(), TextColumn("{task.description}")) as progress:
        task = progress.add_task(what, total=None)
        yield lambda step: progress.update(task, description=step)


@contextmanager
def counting(what: str, total: int) -> Iterator[Advance]:
    """A bar over a known number of things; what it yields is told how many more are done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with _progress(*columns) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


@contextmanager
def reading() -> Iterator[Watch]:
    """A bar for each file that is read, by bytes."""
    columns = (TextColumn("reading {task.description}"), BarColumn(), DownloadColumn())
    with _progress(*columns) as progress:

        def watch(file: BinaryIO, size: int, name: str) -> BinaryIO:
            return progress.wrap_file(file, total=size, description=escape(printable(name)))

        yield watch


@contextmanager
def _progress(*columns: ProgressColumn) -> Iterator[Progress]:
    console = Console(stderr=True)
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield progress

"""What a person sees while something takes its time; nothing where no person looks (a log, a pipe).

Used by the pipeline's stages and by adopt. Writes to the terminal's stderr and leaves no line
behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ml.dataset.reader import Watch
from ml.errors import printable


@contextmanager
def working(what: str) -> Iterator[None]:
    """A clock beside the name of what is running."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        progress.add_task(what, total=None)
        yield


@contextmanager
def reading() -> Iterator[Watch]:
    """A bar for each file that is read, by bytes."""
    console = Console(stderr=True)
    columns = (
        TextColumn("reading {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:

        def watch(file: BinaryIO, size: int, name: str) -> BinaryIO:
            return progress.wrap_file(file, total=size, description=escape(printable(name)))

        yield watch

"""A window in parts: each is tallied by itself, anywhere, and the tallies are merged in order.

A part is a stretch of time of the journal, or some row groups of an exported file. The result is
the same, number for number, as that of the window read at once; only what an export does not hold
(labels that were repeated, corrected, or of unknown ids) is counted 0 there, and its moments are
those of its file, in whole microseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sql

from ml.errors import UserError
from ml.journal.bulk.exported import export_chunks, row_groups
from ml.journal.bulk.scan import CHUNK, Labels, Span, first_and_last
from ml.journal.store import Journal
from ml.monitoring.inputs.tallies import Merging, Tallies
from ml.monitoring.inputs.window import tallies_of, window_of
from ml.scale.code_digest import PACKAGE, code_digest
from ml.scale.part import Part
from ml.scale.run import run_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.monitoring.inputs.tallies import Watching
    from ml.monitoring.inputs.window import Window
    from ml.scale.part import Executor, Outcome

PART_ROW_GROUPS = 25  # of an export, each of some 20,000 rows
PARTS = 32  # of a journal's window, so that the slowest one is a small share of all
PART_SECONDS = 3600.0  # that one may take; some ten million rows a processor


@dataclass(frozen=True)
class JournalPart:
    """A stretch of a journal.

    Args:
        url: the journal's address.
        span: the stretch.
        watching: what is tallied.
        size: rows in memory at a time.
    """

    url: str
    span: Span
    watching: Watching
    size: int = CHUNK

    @property
    def name(self) -> str:
        """For a person."""
        return self.span.name

    def tallies(self) -> Tallies:
        """What the part comes to."""
        return tallies_of(_engine(self.url), self.span, self.watching, self.size)


@dataclass(frozen=True)
class ExportPart:
    """Some row groups of a file that `ml journal export` wrote.

    Args:
        address: of the file: a path, or s3://bucket/file.parquet.
        groups: the first row group, and the one behind the last.
        span: rows outside of it are left out.
        watching: what is tallied.
    """

    address: str
    groups: tuple[int, int]
    span: Span
    watching: Watching

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.address} {self.groups[0]}-{self.groups[1] - 1}"

    def tallies(self) -> Tallies:
        """What the part comes to."""
        tallies, contract = Tallies(self.watching), self.watching.contract
        for chunk in export_chunks(self.address, self.groups, self.span, contract):
            tallies.add(chunk)
            matched = int((~np.isnan(chunk.lag)).sum())
            tallies.labels += Labels(matched=matched)
        return tallies


@dataclass(frozen=True)
class Exports:
    """Exported files that hold a window, in the order of time: paths, or addresses as s3://…."""

    addresses: tuple[str, ...]


WindowPart = JournalPart | ExportPart


@lru_cache(maxsize=4)
def _engine(url: str) -> sql.Engine:
    """The journal's engine, once in a process.

    Raises:
        UserError: it is a file of another machine.
    """
    address = sql.make_url(url)
    if address.get_backend_name() == "sqlite" and not Path(str(address.database)).is_file():
        raise UserError(
            f"{address.database}: no such file where the part is read",
            "ml monitor --workers 2 (processes of this machine), or a journal in PostgreSQL",
        )
    return Journal(url).engine


def address_of(engine: sql.Engine) -> str:
    """A journal's address as another process of this machine takes it, with its password."""
    url = engine.url
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(Path(url.database).absolute()))
    return url.render_as_string(hide_password=False)


def code() -> str:
    """A digest of the code that tallies."""
    folders = ("journal/bulk", "monitoring/inputs", "statistics")
    files = [
        str(file.relative_to(PACKAGE)) for each in folders for file in (PACKAGE / each).glob("*.py")
    ]
    return code_digest(tuple(sorted(files)), ("numpy", "pyarrow"))


def tally_part(task: tuple[str, WindowPart]) -> Tallies:
    """What a part comes to: a function of a module, as other processes want it.

    Args:
        task: the `code` of who asks, and the part.

    Raises:
        UserError: this process has other code, or cannot read the part.
    """
    asked, part = task
    if asked != code():
        raise UserError(
            f"{part.name}: this worker has other code or libraries than who asked it",
            "start the workers from the same commit, with the same requirements",
        )
    return part.tallies()


def journal_parts(url: str, span: Span, watching: Watching, count: int) -> list[JournalPart]:
    """Stretches of a journal that are equally long; together they are the span.

    They end at whole seconds, so that ids of one millisecond stay together. In PostgreSQL each
    reads the months alone that it touches.
    """
    first, last = first_and_last(_engine(url), span)
    limits = [first + (last - first) * i / count for i in range(1, count)]
    inner = {float(math.ceil(each)) for each in limits if span.start < each < span.end - 1}
    ends = [span.start, *sorted(inner), span.end]
    return [JournalPart(url, Span(*each), watching) for each in pairwise(ends)]


def export_parts(
    addresses: Sequence[str], span: Span, watching: Watching, groups: int = PART_ROW_GROUPS
) -> list[ExportPart]:
    """Row groups of exported files; the files are in the order of time."""
    return [
        ExportPart(address, (begin, min(begin + groups, total)), span, watching)
        for address in addresses
        for total in [row_groups(address)]
        for begin in range(0, total, groups)
    ]


def read_parts(
    parts: Sequence[WindowPart], watching: Watching, span: Span, executor: Executor | None = None
) -> Window:
    """The window of some parts that together are the span.

    Args:
        parts: in the order of time.
        watching: what is tallied.
        span: of the window.
        executor: where the parts are tallied; None: in this process, one after the other.

    Raises:
        UserError: a part could not be read.
    """
    merging, digest = Merging(watching), code()
    if executor is None:
        for place, part in enumerate(parts):
            merging.add(place, tally_part((digest, part)))
    else:
        _on(executor, [Part(each.name, (digest, each)) for each in parts], merging)
    return window_of(merging.merged(), span)


def _on(executor: Executor, parts: Sequence[Part], merging: Merging) -> None:
    places = {part.name: place for place, part in enumerate(parts)}

    def take(outcome: Outcome) -> None:
        merging.add(places[outcome.part.name], outcome.answer.result)

    ended = run_parts(executor, tally_part, parts, PART_SECONDS, "reading", take)
    if ended.failed:
        first = ended.failed[0]
        raise UserError(
            f"{first.part.name}: {first.answer.problem}; no verdict without it",
            first.answer.then or "ml monitor again, without --workers and --scheduler",
        )

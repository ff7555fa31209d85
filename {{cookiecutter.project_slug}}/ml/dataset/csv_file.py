"""A text file of rows → tables of text: its bytes, its header, its records and their faults.

`Source` says how the file is written; nothing is guessed here. Arrow reads the rows; the csv module
reads again where a fault has to be named by its line.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ml.errors import UserError

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Sequence

    from ml.contract import Source

BLOCK_BYTES = 16 << 20  # one block of the CSV reader; a file with a longer row is no table
# long texts exceed the csv module's own limit of 128 KiB
csv.field_size_limit(BLOCK_BYTES)
UNREADABLE = (pa.ArrowException, UnicodeError, OSError, EOFError, zlib.error, csv.Error)
# an open file, its bytes, its name → the same file, watched
Watch = Callable[[BinaryIO, int, str], BinaryIO]
MAX_RAGGED = 10_000  # rows of a wrong length after which reading stops: the file is no table


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where they are gzip's."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if is_packed(path) else path.open("rb")


def is_packed(path: Path) -> bool:
    """Whether the file's first bytes are gzip's, whatever its name says."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def column_names(header: Sequence[str]) -> list[str]:
    """Header cells as unique, non-empty names.

    Trimmed, `column_3` for an empty one, `x_2` for a second `x`.
    """
    names: list[str] = []
    for i, cell in enumerate(header, 1):
        names.append(_unused(_trimmed(cell) or f"column_{i}", names))
    return names


def _trimmed(cell: str) -> str:
    """Without the byte order mark, and every run of white space as one space."""
    return " ".join(cell.lstrip("\ufeff").split())


def _unused(wanted: str, names: list[str]) -> str:
    numbered = (f"{wanted}_{n}" for n in count(2))
    return next(name for name in chain([wanted], numbered) if name not in names)


def csv_batches(path: Path, source: Source, watch: Watch) -> Iterator[pa.Table]:
    """The file's rows in order, some at a time, as columns of text."""
    names = csv_names(path, source)
    header, checked = not source.names, False
    for batch in _row_batches(path, source, watch, len(names)):
        if not checked and _has_line_breaks(batch):
            refuse_open_quote(path, source)
            checked = True
        yield _without_blank_rows(batch.slice(int(header))).rename_columns(names)
        header = False


def _has_line_breaks(table: pa.Table) -> bool:
    return any(pc.any(pc.match_substring(column, "\n")).as_py() for column in table.columns)


def csv_names(path: Path, source: Source) -> list[str]:
    """One name for each column, from the contract or the first line."""
    first = first_record(path, source)
    names = list(source.names) or column_names(first)
    if len(names) != len(first):
        raise UserError(
            f"{path}: {len(first)} columns, but {len(names)} names for them in contract.yaml"
            " (source: names)",
            f"make adopt DATA={path} TARGET=…",
        )
    return names


def _row_batches(path: Path, source: Source, watch: Watch, width: int) -> Iterator[pa.Table]:
    """The rows of a text file, header included, as columns of text named by their positions."""
    ragged: list[pacsv.InvalidRow] = []
    try:
        with (
            _watched(path, watch) as file,
            pacsv.open_csv(file, **_options(source, width, ragged)) as reader,
        ):
            for batch in reader:
                yield pa.Table.from_batches([batch])
    except UNREADABLE as error:
        refuse_open_quote(path, source)
        if not ragged:
            raise _unreadable(path, source, error) from None
    if ragged:
        refuse_open_quote(path, source)
        raise _ragged(path, source, ragged)


@contextmanager
def _watched(path: Path, watch: Watch) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The unpacked bytes of a file, of which `watch` sees the packed ones."""
    with path.open("rb") as raw:
        file = watch(raw, path.stat().st_size, path.name)
        yield gzip.GzipFile(fileobj=file) if is_packed(path) else file


def _without_blank_rows(table: pa.Table) -> pa.Table:
    """Rows of nothing but separators, as spreadsheets leave them below the last row, are none."""
    blank = pc.equal(table.column(0), "")
    for column in table.columns[1:]:
        if not pc.any(blank).as_py():
            return table
        blank = pc.and_(blank, pc.equal(column, ""))
    return table.filter(pc.invert(blank))


def first_record(path: Path, source: Source) -> list[str]:
    """The cells of the first line that is not empty."""
    try:
        with _csv_reader(path, source) as reader:
            return next(filter(None, reader), [])
    except UNREADABLE as error:
        raise _unreadable(path, source, error) from None


@contextmanager
def _csv_reader(path: Path, source: Source, *, strict: bool = False) -> Iterator[Reader]:
    """The csv module's reader, which knows its line; Arrow's knows none."""
    with open_bytes(path) as file:
        text = io.TextIOWrapper(file, encoding=_codec(source.encoding), newline="")
        yield csv.reader(text, delimiter=source.separator, strict=strict)


def refuse_open_quote(path: Path, source: Source) -> None:
    """Refuse a file in which a quote that is never closed makes one value of the lines below it.

    A value of several lines is sound only if a separator or the end of the line follows its closing
    quote: otherwise that quote was meant to open a later value.

    Raises:
        UserError: it names the line on which the record with the open quote starts.
    """
    try:
        line = _line_of_open_quote(path, source)
    except UNREADABLE as error:
        raise _unreadable(path, source, error) from None
    if line:
        raise UserError(
            f"{path}: line {line}: a quote opens here and is not closed, so that the lines below it"
            " belong to one value",
            f"close or remove the quote on line {line} (inside a quoted value a quote is written"
            " twice),"
            " then repeat the command",
        )


def _line_of_open_quote(path: Path, source: Source) -> int | None:
    with _csv_reader(path, source, strict=True) as reader:
        while True:
            start = reader.line_num + 1
            try:
                next(reader)
            except StopIteration:
                return None
            except csv.Error as error:
                if _is_open_quote(error, reader.line_num - start):
                    return start


def _is_open_quote(error: csv.Error, further_lines: int) -> bool:
    """Whether a quote runs over the line's end; stray quotes within a line are read as they are."""
    return further_lines > 0 or "unexpected end of data" in str(error)


def _codec(encoding: str) -> str:
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _unreadable(path: Path, source: Source, error: Exception) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(
        f"{path}: not readable as {source.encoding} text: {reason}",
        f"save it as UTF-8 with `{source.separator}` between the columns, or adopt it with its"
        " ENCODING=",
    )


def _options(source: Source, width: int, ragged: list[pacsv.InvalidRow]) -> dict[str, Any]:
    # the header is read as a row, for its names may be anything
    positions = [str(i) for i in range(width)]
    return {
        "read_options": _read_options(source, positions),
        "parse_options": _parse_options(source, ragged),
        "convert_options": _all_text(positions),
    }


def _all_text(names: list[str]) -> pacsv.ConvertOptions:
    types = dict.fromkeys(names, pa.string())
    return pacsv.ConvertOptions(column_types=types, strings_can_be_null=False)


def _read_options(source: Source, names: list[str]) -> pacsv.ReadOptions:
    return pacsv.ReadOptions(
        column_names=names,
        encoding=source.encoding,
        use_threads=False,  # threads would lose the number of a ragged row
        block_size=BLOCK_BYTES,
    )


def _parse_options(source: Source, ragged: list[pacsv.InvalidRow]) -> pacsv.ParseOptions:
    """Rows of a wrong length are gathered in `ragged`, up to `MAX_RAGGED`."""

    def gather(row: pacsv.InvalidRow) -> str:
        ragged.append(row)
        return "skip" if len(ragged) < MAX_RAGGED else "error"

    return pacsv.ParseOptions(
        delimiter=source.separator, newlines_in_values=True, invalid_row_handler=gather
    )


def _ragged(path: Path, source: Source, rows: list[pacsv.InvalidRow]) -> UserError:
    first = rows[0]
    line = line_of_record(path, source, first.number, blank=True) if first.number else 1
    count = f"{len(rows)} rows" if len(rows) < MAX_RAGGED else f"at least {MAX_RAGGED} rows"
    return UserError(
        f"{path}: {count} do not have the {first.expected_columns} columns of the first line"
        f" (first: line {line} has {first.actual_columns})",
        "mend these lines (often a separator or a quote inside a value) and repeat the command",
    )


def line_of_record(path: Path, source: Source, number: int, *, blank: bool = False) -> int:
    """The line on which the n-th record starts.

    A record may hold line breaks; an empty line is no record.

    Args:
        path: the file.
        source: how it is written.
        number: of the record; 1 is the header, where there is one.
        blank: whether rows of nothing but separators count, as they do for the CSV reader.
    """
    with _csv_reader(path, source) as reader:
        seen, line = 0, 1
        for cells in reader:
            seen += bool(cells) if blank else any(cells)
            if seen == number:
                return line
            line = reader.line_num + 1
        return line

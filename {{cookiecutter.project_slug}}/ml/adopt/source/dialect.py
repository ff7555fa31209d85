"""How a file is written: encoding, separator and header, from its bytes. The answer is a `Source`.

Reads: the table that a person wants to adopt. Everything doubtful is refused here, before anything
is written.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ml.contract import Source
from ml.dataset.csv_file import UNREADABLE, open_bytes, refuse_open_quote
from ml.dataset.reader import is_parquet
from ml.errors import UserError, printable

SEPARATORS = (",", ";", "\t", "|")
GUESSED = ("latin-1", "cp1252")  # every file can be read so
SNIFFED = (*GUESSED, "utf-8", "utf-16")
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
C1, UNDEFINED = re.compile(rb"[\x80-\x9f]"), re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*%?$")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
HEAD_BYTES = 1 << 18
CHUNK_BYTES = 1 << 22
VOTING_ROWS, MIN_VOTING_ROWS = 300, 5  # that say whether the first line is data
WIDTH_ROWS = 1000  # whose cells are counted
FIRST_LINE = "first"  # what NAMES says when the first line does hold the names
AS_TABLE = "save the table as CSV or Parquet"
FORMATS = {
    b"PK\x03\x04": "an Excel or zip file", b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF",
    b"ARROW1": "an Arrow file", b"SQLi": "an SQLite database", b"{": "JSON", b"<": "HTML or XML",
    b"\xff\xfe\x00\x00": "UTF-32 text",
}  # fmt: skip


def sniff(path: Path, names: tuple[str, ...] = (), encoding: str = "") -> Source:
    """Encoding, separator and header of a file (Parquet: the defaults).

    Args:
        path: the file.
        names: of the columns if the first line is data; `("first",)`: the first line does name
            them.
        encoding: a codec's name, if it is known; empty: from the bytes.

    Raises:
        UserError: empty, not text, one column, no header.
    """
    if is_parquet(path):
        return Source()
    encoding, lines = _first_lines(path, encoding)
    separator = _separator(path, lines, encoding)
    if names == (FIRST_LINE,):
        return Source(separator=separator, encoding=encoding)
    if not names:
        _refuse_data_as_header(path, list(islice(_records(lines, separator), VOTING_ROWS)))
    return Source(separator=separator, encoding=encoding, names=names)


def _first_lines(path: Path, encoding: str) -> tuple[str, list[str]]:
    """The encoding, given or found, and the file's first lines."""
    head = _head(path, holds_zeros=encoding.startswith(("utf-16", "utf-32")))
    encoding = encoding or _encoding(path, head)
    return encoding, _lines(path, head.decode(encoding, errors="ignore").lstrip("\ufeff"))


def _lines(path: Path, text: str) -> list[str]:
    lines = list(io.StringIO(text, newline=""))  # splitlines would also split at form feeds
    if len(text) > HEAD_BYTES // 8 and len(lines) < 2:
        raise UserError(
            f"{path}: no line ends within its first {HEAD_BYTES} bytes: it is no table", AS_TABLE
        )
    return lines[:-1] if len(lines) > 2 else lines  # the last one may be cut


def _refuse_data_as_header(path: Path, records: list[list[str]]) -> None:
    if records and _is_data(records[0], records[1:]):
        raise _names_wanted(path, records[0])


def _names_wanted(path: Path, first: list[str]) -> UserError:
    listed = ",".join(f"column_{i + 1}" for i in range(len(first)))
    return UserError(
        f"{path}: its first line looks like data, not like names:"
        f" {', '.join(map(printable, first[:5]))} …",
        f"name the columns: make adopt DATA={path} NAMES={listed} TARGET=…"
        f"   (NAMES={FIRST_LINE}: they are names)",
    )


def _is_data(first: list[str], body: list[list[str]]) -> bool:
    """Whether the first record is of the same sort as those below it.

    A column votes `data` if its first cell is a number or date as its body is, or a level that its
    body repeats; it votes `names` if its body is numbers or repeated levels and its first cell is
    neither.
    """
    rows = [cells for cells in body if len(cells) == len(first)]
    if len(rows) < MIN_VOTING_ROWS or _is_series(first):
        return False
    columns = zip(first, *rows, strict=True)
    votes = Counter(_vote(*(cell.strip() for cell in column)) for column in columns)
    return votes["data"] > votes["names"] and 2 * votes["data"] >= len(first)


def _vote(cell: str, *body: str) -> str:
    filled = [text for text in body if text]
    shape = next((shape for shape in (NUMBER, DATE) if _fits_most(shape, filled)), None)
    if shape is not None:
        says_nothing = cell.lower() in ("", "?", "na")
        return "data" if shape.match(cell) else "" if says_nothing else "names"
    levels = set(filled)
    if not filled or len(levels) > 0.5 * len(filled):
        return ""
    return "data" if cell in levels else "names"


def _fits_most(shape: re.Pattern[str], texts: list[str]) -> bool:
    return bool(texts) and bool(np.mean([bool(shape.match(text)) for text in texts]) >= 0.9)


def _is_series(cells: list[str]) -> bool:
    """Whether numbers among the cells are a series, as names such as years are."""
    numbers = [int(cell) for cell in cells if cell.strip().isdecimal()]
    steps = set(np.diff(numbers).tolist())
    return len(numbers) >= 2 and len(steps) == 1 and steps != {0}


def codec_name(encoding: str) -> str:
    """The name under which contract.yaml keeps an encoding that a person names.

    Raises:
        UserError: Python knows no such encoding of text.
    """
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # refuses codecs that are none of text, such as base64
    except (LookupError, ValueError):
        raise UserError(
            f'ENCODING "{encoding}" is no encoding that Python knows',
            "ENCODING=utf-8, cp1252, latin-1, cp1250, cp1251, shift_jis, …",
        ) from None
    return {"iso8859-1": "latin-1", "utf-8-sig": "utf-8"}.get(name, name)


def _head(path: Path, holds_zeros: bool) -> bytes:
    try:
        with open_bytes(path) as file:
            head = file.read(HEAD_BYTES)
    except UNREADABLE as error:
        raise _damaged(path, error) from None
    if not head.strip():
        raise UserError(f"{path}: it is empty", "give a file with a header and rows")
    if not holds_zeros:
        _refuse_known_formats(path, head)
    return head


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: cannot be unpacked: {error}", "fetch it again")


def _refuse_known_formats(path: Path, head: bytes) -> None:
    known = _known_format(head)
    if known:
        raise UserError(f"{path}: it is {known}", AS_TABLE)
    if not head.startswith(UTF16_MARKS) and b"\x00" in head:
        raise UserError(f"{path}: it holds zero bytes, so it is no text", AS_TABLE)


def _known_format(head: bytes) -> str | None:
    """What the first bytes belong to, if it is a format that cannot be adopted."""
    start = head.lstrip()
    return next((what for mark, what in FORMATS.items() if start.startswith(mark)), None)


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith(UTF16_MARKS):
        return "utf-16"
    return "utf-8" if _is_utf8(path) else _single_byte(path)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with open_bytes(path) as file:
            while chunk := file.read(CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    except UNREADABLE as error:
        raise _damaged(path, error) from None
    return True


@dataclass
class _LineCounts:
    """Lines of a file that is no UTF-8, by what their letters beyond ASCII could be."""

    as_utf8: int = 0
    other: int = 0
    first_other: int = 0
    c1: bool = False  # bytes that are letters and quotes in cp1252, control characters in Latin-1
    undefined: bool = False  # bytes that cp1252 does not know

    def add(self, number: int, line: bytes) -> None:
        """Count a line that is not ASCII."""
        self.c1 = self.c1 or bool(C1.search(line))
        self.undefined = self.undefined or bool(UNDEFINED.search(line))
        try:
            line.decode("utf-8")
            self.as_utf8 += 1
        except UnicodeDecodeError:
            self.other += 1
            self.first_other = self.first_other or number


def _line_counts(path: Path) -> _LineCounts:
    counts = _LineCounts()
    for number, line in enumerate(_byte_lines(path), 1):
        if len(line) == CHUNK_BYTES:
            raise UserError(
                f"{path}: line {number} is longer than {CHUNK_BYTES} bytes: it is no table",
                AS_TABLE,
            )
        if not line.isascii():
            counts.add(number, line)
    return counts


def _byte_lines(path: Path) -> Iterator[bytes]:
    """The lines, each cut after `CHUNK_BYTES`."""
    with open_bytes(path) as file:
        yield from iter(lambda: file.readline(CHUNK_BYTES), b"")


def _single_byte(path: Path) -> str:
    """Latin-1 or cp1252, unless most lines with letters beyond ASCII are UTF-8."""
    counts = _line_counts(path)
    if counts.as_utf8 > counts.other:
        raise UserError(
            f"{path}: mixed encodings: {counts.as_utf8} lines are UTF-8 and {counts.other} are not"
            f" (first: line {counts.first_other})",
            "write the file again as UTF-8, or name its encoding (ENCODING=latin-1 reads any byte)",
        )
    return "cp1252" if counts.c1 and not counts.undefined else "latin-1"


def encoding_doubt(path: Path, source: Source) -> str | None:
    """What a person should know of an encoding that was guessed; None: the bytes leave no doubt."""
    if source.encoding not in GUESSED or is_parquet(path):
        return None
    counts = _line_counts(path)
    if not counts.other:
        return None
    utf8 = f", though {counts.as_utf8} lines could be UTF-8" if counts.as_utf8 else ""
    return (
        f"{path.name} is not UTF-8 (first: line {counts.first_other}), read as"
        f" {source.encoding}{utf8}: wrong letters? then ENCODING="
    )


def _separator(path: Path, lines: list[str], encoding: str) -> str:
    fits = {separator: _fit(lines, separator) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: fits[separator])
    _, columns = fits[best]
    if columns < 2:
        refuse_open_quote(path, Source(separator=best, encoding=encoding))
        _refuse_preamble(path, lines)
        raise UserError(
            f"{path}: only one column, whichever of , ; tab | separates them",
            "give a table with a target and at least one column to predict it from",
        )
    return best


def _records(lines: list[str], separator: str) -> Iterator[list[str]]:
    """Records that are not empty, up to the first that the csv module cannot read."""
    with contextlib.suppress(csv.Error):
        yield from (cells for cells in csv.reader(lines, delimiter=separator) if cells)


def _widths(lines: list[str], separator: str) -> list[int]:
    """How many cells each of the first records has."""
    return [len(cells) for cells in islice(_records(lines, separator), WIDTH_ROWS)]


def _fit(lines: list[str], separator: str) -> tuple[float, int]:
    """Share of the first records that are as wide as the first, and how wide that is."""
    widths = _widths(lines, separator)
    if not widths or widths[0] < 2:
        return 0.0, widths[0] if widths else 0
    return widths.count(widths[0]) / len(widths), widths[0]


def _refuse_preamble(path: Path, lines: list[str]) -> None:
    for separator in SEPARATORS:
        widths = _widths(lines, separator)
        columns = _usual_width(widths)
        if columns >= 2:
            above = widths.index(columns)
            raise UserError(
                f"{path}: its first {above} lines have another number of cells than the {columns}"
                " columns below them",
                f"remove what stands above the header (the first {above} lines)",
            )


def _usual_width(widths: list[int]) -> int:
    """The width that four of five records have; 0: there is none."""
    width, records = Counter(widths).most_common(1)[0] if widths else (0, 0)
    return width if records >= 0.8 * len(widths) else 0

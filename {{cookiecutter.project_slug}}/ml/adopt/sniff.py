"""How is this file written? Encoding, separator and header, from its bytes. The answer is a `Source`.

Reads: the table that a person wants to adopt. Everything doubtful is refused here, before anything is written.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ml.adopt.header import is_data
from ml.contract import Source
from ml.errors import UserError, printable
from ml.raw.files import UNREADABLE, is_parquet, open_bytes, refuse_open_quote

SEPARATORS = (",", ";", "\t", "|")
HEAD_BYTES = 1 << 18
CHUNK_BYTES = 1 << 22
FIRST_LINE = "first"  # what NAMES says when the first line does hold the names
AS_TABLE = "save the table as CSV or Parquet"
FORMATS = {
    b"PK\x03\x04": "an Excel or zip file", b"\xd0\xcf\x11\xe0": "an old Excel file", b"%PDF": "a PDF",
    b"ARROW1": "an Arrow file", b"SQLi": "an SQLite database", b"{": "JSON", b"<": "HTML or XML",
    b"\xff\xfe\x00\x00": "UTF-32 text",
}  # fmt: skip


def sniff(path: Path, names: tuple[str, ...] = ()) -> Source:
    """Encoding, separator and header of a file (Parquet: the defaults).

    Args:
        path: the file.
        names: of the columns if the first line is data; `("first",)`: the first line does name them.

    Raises:
        UserError: empty, not text, one column, no header.
    """
    if is_parquet(path):
        return Source()
    head = _head(path)
    encoding = _encoding(path, head)
    lines = _lines(path, head.decode(encoding, errors="ignore").lstrip("\ufeff"))
    separator = _separator(path, lines, encoding)
    if names == (FIRST_LINE,):
        return Source(separator=separator, encoding=encoding)
    if not names:
        _refuse_data_as_header(path, list(islice(_records(lines, separator), 300)))
    return Source(separator=separator, encoding=encoding, names=names)


def _lines(path: Path, text: str) -> list[str]:
    lines = list(io.StringIO(text, newline=""))  # splitlines would also split at form feeds
    if len(text) > HEAD_BYTES // 8 and len(lines) < 2:
        raise UserError(f"{path}: no line ends within its first {HEAD_BYTES} bytes: it is no table", AS_TABLE)
    return lines[:-1] if len(lines) > 2 else lines  # the last one may be cut


def _refuse_data_as_header(path: Path, records: list[list[str]]) -> None:
    if records and is_data(records[0], records[1:]):
        listed = ",".join(f"column_{i + 1}" for i in range(len(records[0])))
        raise UserError(
            f"{path}: its first line looks like data, not like names: {', '.join(map(printable, records[0][:5]))} …",
            f"name the columns: make adopt DATA={path} NAMES={listed} TARGET=…   (NAMES={FIRST_LINE}: they are names)",
        )


def _head(path: Path) -> bytes:
    try:
        with open_bytes(path) as file:
            head = file.read(HEAD_BYTES)
    except UNREADABLE as error:
        raise UserError(f"{path}: cannot be unpacked: {error}", "fetch it again") from None
    if not head.strip():
        raise UserError(f"{path}: it is empty", "give a file with a header and rows")
    known = next((what for start, what in FORMATS.items() if head.lstrip().startswith(start)), None)
    if known:
        raise UserError(f"{path}: it is {known}", AS_TABLE)
    if not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\x00" in head:
        raise UserError(f"{path}: it holds zero bytes, so it is no text", AS_TABLE)
    return head


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with open_bytes(path) as file:
            while chunk := file.read(CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _single_byte(path)
    except UNREADABLE as error:
        raise UserError(f"{path}: cannot be unpacked: {error}", "fetch it again") from None
    return "utf-8"


def _single_byte(path: Path) -> str:
    """Latin-1 or cp1252, if no line is UTF-8 with letters beyond ASCII."""
    as_utf8, other, first = 0, 0, 0
    c1 = False
    with open_bytes(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(CHUNK_BYTES), b""), 1):
            if len(line) == CHUNK_BYTES:
                raise UserError(f"{path}: line {number} is longer than {CHUNK_BYTES} bytes: it is no table", AS_TABLE)
            if line.isascii():
                continue
            c1 = c1 or any(0x80 <= byte < 0xA0 for byte in line)
            try:
                line.decode("utf-8")
                as_utf8 += 1
            except UnicodeDecodeError:
                other += 1
                first = first or number
    if as_utf8:
        raise UserError(
            f"{path}: mixed encodings: {as_utf8} lines are UTF-8 and {other} are not (first: line {first})",
            "write the file again in one encoding, best UTF-8",
        )
    return "cp1252" if c1 else "latin-1"


def _separator(path: Path, lines: list[str], encoding: str) -> str:
    scores = {separator: _fit(lines, separator) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: scores[separator])
    if scores[best][1] < 2:
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


def _fit(lines: list[str], separator: str) -> tuple[float, int]:
    """Share of the first records that have as many cells as the first, and how many cells that is."""
    widths = [len(cells) for cells in islice(_records(lines, separator), 1000)]
    if not widths or widths[0] < 2:
        return 0.0, widths[0] if widths else 0
    return Counter(widths)[widths[0]] / len(widths), widths[0]


def _refuse_preamble(path: Path, lines: list[str]) -> None:
    for separator in SEPARATORS:
        widths = [len(cells) for cells in islice(_records(lines, separator), 1000)]
        usual, rows = Counter(widths).most_common(1)[0] if widths else (0, 0)
        if usual >= 2 and rows >= 0.8 * len(widths):
            first = widths.index(usual)
            raise UserError(
                f"{path}: its first {first} lines have another number of cells than the {usual} columns below them",
                f"remove what stands above the header (the first {first} lines)",
            )

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
from ml.dataset.reader import UNREADABLE, is_parquet, open_bytes, refuse_open_quote
from ml.errors import UserError, printable

SEPARATORS = (",", ";", "\t", "|")
GUESSED = ("latin-1", "cp1252")  # every file can be read so
SNIFFED = (*GUESSED, "utf-8", "utf-16")
C1, UNDEFINED = re.compile(rb"[\x80-\x9f]"), re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*%?$")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
HEAD_BYTES = 1 << 18
CHUNK_BYTES = 1 << 22
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
    head = _head(path, holds_zeros=encoding.startswith(("utf-16", "utf-32")))
    encoding = encoding or _encoding(path, head)
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
        raise UserError(
            f"{path}: no line ends within its first {HEAD_BYTES} bytes: it is no table", AS_TABLE
        )
    return lines[:-1] if len(lines) > 2 else lines  # the last one may be cut


def _refuse_data_as_header(path: Path, records: list[list[str]]) -> None:
    if records and _is_data(records[0], records[1:]):
        listed = ",".join(f"column_{i + 1}" for i in range(len(records[0])))
        raise UserError(
            f"{path}: its first line looks like data, not like names:"
            f" {', '.join(map(printable, records[0][:5]))} …",
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
    if len(rows) < 5 or _is_series(first):
        return False
    votes = [
        _vote(cell.strip(), [cells[i].strip() for cells in rows]) for i, cell in enumerate(first)
    ]
    return votes.count("data") > votes.count("names") and 2 * votes.count("data") >= len(votes)


def _vote(cell: str, column: list[str]) -> str:
    held = [text for text in column if text]
    if not held:
        return ""
    for shape in (NUMBER, DATE):
        if np.mean([bool(shape.match(text)) for text in held]) >= 0.9:
            says_nothing = cell.lower() in ("", "?", "na")
            return "data" if shape.match(cell) else "" if says_nothing else "names"
    if len(set(held)) <= 0.5 * len(held):
        return "data" if cell in set(held) else "names"
    return ""


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
        raise UserError(f"{path}: cannot be unpacked: {error}", "fetch it again") from None
    if not head.strip():
        raise UserError(f"{path}: it is empty", "give a file with a header and rows")
    if not holds_zeros:
        _refuse_known_formats(path, head)
    return head


def _refuse_known_formats(path: Path, head: bytes) -> None:
    known = next((what for start, what in FORMATS.items() if head.lstrip().startswith(start)), None)
    if known:
        raise UserError(f"{path}: it is {known}", AS_TABLE)
    if not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\x00" in head:
        raise UserError(f"{path}: it holds zero bytes, so it is no text", AS_TABLE)


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


@dataclass
class _Lines:
    """Lines of a file that is no UTF-8, by what their letters beyond ASCII could be."""

    as_utf8: int = 0
    other: int = 0
    first_other: int = 0
    c1: bool = False  # bytes that are letters and quotes in cp1252, control characters in Latin-1
    undefined: bool = False  # bytes that cp1252 does not know


def _lines_by_encoding(path: Path) -> _Lines:
    found = _Lines()
    with open_bytes(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(CHUNK_BYTES), b""), 1):
            if len(line) == CHUNK_BYTES:
                raise UserError(
                    f"{path}: line {number} is longer than {CHUNK_BYTES} bytes: it is no table",
                    AS_TABLE,
                )
            if line.isascii():
                continue
            found.c1 = found.c1 or bool(C1.search(line))
            found.undefined = found.undefined or bool(UNDEFINED.search(line))
            try:
                line.decode("utf-8")
                found.as_utf8 += 1
            except UnicodeDecodeError:
                found.other += 1
                found.first_other = found.first_other or number
    return found


def _single_byte(path: Path) -> str:
    """Latin-1 or cp1252, unless most lines with letters beyond ASCII are UTF-8."""
    found = _lines_by_encoding(path)
    if found.as_utf8 > found.other:
        raise UserError(
            f"{path}: mixed encodings: {found.as_utf8} lines are UTF-8 and {found.other} are not"
            f" (first: line {found.first_other})",
            "write the file again as UTF-8, or name its encoding (ENCODING=latin-1 reads any byte)",
        )
    return "cp1252" if found.c1 and not found.undefined else "latin-1"


def encoding_doubt(path: Path, source: Source) -> str | None:
    """What a person should know of an encoding that was guessed; None: the bytes leave no doubt."""
    if source.encoding not in GUESSED or is_parquet(path):
        return None
    found = _lines_by_encoding(path)
    if not found.other:
        return None
    utf8 = f", though {found.as_utf8} lines could be UTF-8" if found.as_utf8 else ""
    return (
        f"{path.name} is not UTF-8 (first: line {found.first_other}), read as"
        f" {source.encoding}{utf8}:"
        " wrong letters? then ENCODING="
    )


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
    """Share of the first records that are as wide as the first, and how wide that is."""
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
                f"{path}: its first {first} lines have another number of cells than the {usual}"
                " columns below them",
                f"remove what stands above the header (the first {first} lines)",
            )

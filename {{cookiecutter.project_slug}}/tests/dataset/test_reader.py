"""A file becomes columns of text: what its quotes, names, rows and lines are."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contract import Source
from ml.dataset.csv_file import column_names, line_of_record
from ml.dataset.reader import raw_parts, read_texts, stored_parts
from ml.errors import UserError

ROWS = [f"{i},{i * 7 % 11},{'yes' if i % 3 else 'no'}" for i in range(60)]
MANY = "\n".join(f"{i},{i * 7 % 11},{'yes' if i % 3 else 'no'}" for i in range(40_000))


def _with_lines(*changed: tuple[int, str]) -> bytes:
    """A sound table with some lines replaced; 0 is the header."""
    lines = ["a,b,y", *ROWS]
    for i, line in changed:
        lines[i] = line
    return "\n".join(lines).encode()


def _read(data: bytes, folder: Path, source: Source | None = None) -> pa.Table:
    path = folder / "t.csv"
    path.write_bytes(data)
    return read_texts(path, source or Source())


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (_with_lines((30, '1,"2,yes')), 31),
        (_with_lines((30, '"1,2,yes')), 31),
        # the last column: the rest of the file became one class
        (_with_lines((30, '1,2,"yes')), 31),
        # a later quote closes it: ten rows were lost
        (_with_lines((30, '1,"2,yes'), (40, '1,"2",yes')), 31),
        (_with_lines((60, '1,"2,yes')), 61),
        (_with_lines((0, 'a,"b,y')), 1),
        (_with_lines((20, '"4\n4",2,yes'), (30, '1,"2,yes')), 32),  # a value of two lines is sound
        (f'a,b,y\n1,"2,yes\n{MANY}'.encode(), 2),  # longer than the csv module's own limit
        (gzip.compress(f'a,b,y\n1,2,"yes\n{MANY}'.encode(), mtime=0), 2),
    ],
)
def test_a_quote_that_is_not_closed_names_its_line(data: bytes, line: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"line {line}: a quote opens here and is not closed"):
        _read(data, tmp_path)


def test_an_open_quote_in_utf16_names_its_line(tmp_path: Path) -> None:
    data = _with_lines((31, '1,"2,yes')).decode().encode("utf-16")
    with pytest.raises(UserError, match="line 32: a quote opens here and is not closed"):
        _read(data, tmp_path, Source(encoding="utf-16"))


def test_values_of_several_lines_are_read(tmp_path: Path) -> None:
    """Quotes that are closed, doubled or stand within a value are sound."""
    data = _with_lines((20, '"4\n""4""",2,yes'), (30, '5" pipe,2,no'), (31, '"5"" pipe",2,no'))
    texts = _read(data, tmp_path)
    assert texts.num_rows == 60
    assert texts["a"].to_pylist()[19] == '4\n"4"'


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (["a", "a", "a"], ["a", "a_2", "a_3"]),
        (["a", "a_2", "a"], ["a", "a_2", "a_3"]),
        (["\ufeffid", "", " two\n words "], ["id", "column_2", "two words"]),
    ],
)
def test_names_are_trimmed_and_unique(header: list[str], names: list[str]) -> None:
    assert column_names(header) == names


def test_two_parquet_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    numbers = pa.array(np.arange(60) % 7)
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table([numbers, numbers, numbers], names=["a", "a", "y"]), path)
    assert read_texts(path, Source()).column_names == ["a", "a_2", "y"]


def test_rows_of_nothing_but_separators_are_left_out(tmp_path: Path) -> None:
    texts = _read(_with_lines((60, ",,")) + b"\n,,\n,,\n", tmp_path)
    assert texts.num_rows == 59


def test_a_line_is_counted_over_records_of_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"2\n3"\n\n,\n4,5\n', encoding="utf-8")
    assert line_of_record(path, Source(), 2) == 2
    assert line_of_record(path, Source(), 3) == 6
    assert line_of_record(path, Source(), 3, blank=True) == 5


def test_parts_are_the_visible_files_in_name_order(tmp_path: Path) -> None:
    assert stored_parts(tmp_path / "none") == []
    with pytest.raises(UserError, match="holds no data"):
        raw_parts(tmp_path)
    for name in ("0002-b.csv", "0001-a.csv", ".0003-draft.csv"):
        (tmp_path / name).write_text("a\n1\n", encoding="utf-8")
    assert [path.name for path in raw_parts(tmp_path)] == ["0001-a.csv", "0002-b.csv"]

"""Sizes.

What unpacks to more than a machine holds is refused early, with the limit and the way to raise it.
"""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.adopt.commands import adopt
from ml.adopt.source import size
from ml.adopt.source.size import MAX_BYTES, check_size
from ml.errors import UserError


def _written(name: str, data: bytes) -> Path:
    path = Path(name)
    path.write_bytes(data)
    return path


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def test_a_small_file_of_many_rows_is_refused(folder: Path) -> None:
    """461 kB of gzip became 20 million rows."""
    packed = gzip.compress(b"a,b,y\n" + b"1,2,yes\n" * 20_000_000)
    assert len(packed) < 500_000
    _written("t.csv.gz", packed)
    with pytest.raises(UserError, match="unpack to more than 100,000,000; a usual table") as caught:
        adopt("t.csv.gz", target="y", drop=[])
    assert (
        caught.value.then
        == f"if you trust the file, repeat with MAX_BYTES={MAX_BYTES} (bytes, unpacked)"
    )
    check_size([Path("t.csv.gz")], MAX_BYTES)


def test_a_parquet_file_of_one_repeated_row_is_refused(folder: Path) -> None:
    """Its rows are counted; texts that its dictionary holds once count as often as they occur."""
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000_000, pa.int8()), pa.array(["x"]))
    path = _written("t.parquet", _parquet(pa.table({"a": same})))
    with pytest.raises(UserError, match="unpack to more than 100,000,000"):
        check_size([path])
    long = pa.DictionaryArray.from_arrays(
        pa.array([0] * 20_000, pa.int8()), pa.array(["x" * 10_000])
    )
    path = _written("t.parquet", _parquet(pa.table({"a": long.dictionary_decode()})))
    assert path.stat().st_size < 50_000
    with pytest.raises(UserError, match="unpack to more than 100,000,000"):
        check_size([path])


def test_the_parts_count_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "MAX_BYTES", 250)
    parts = [_written("1.csv", b"x" * 100), _written("2.csv.gz", gzip.compress(b"x" * 100))]
    check_size(parts)
    parts.append(_written("3.csv", b"x" * 51))
    with pytest.raises(
        UserError,
        match=re.escape("3.csv: unpacked, the table is larger than the limit of 250 bytes"),
    ) as caught:
        check_size(parts)
    assert "MAX_BYTES=500" in caught.value.then
    check_size(parts, 251)
    with pytest.raises(UserError, match="limit of 249 bytes"):
        check_size(parts, 249)


def test_small_and_damaged_files_are_left_to_the_reader(folder: Path) -> None:
    # 1,000 times, and only 4 MB
    check_size([_written("t.gz", gzip.compress(b"1,2\n" * 1_000_000))])
    check_size(
        [
            _written("t.gz", gzip.compress(b"1,2\n" * 1_000)[:20]),
            _written("t.parquet", b"PAR1" + bytes(100)),
        ]
    )

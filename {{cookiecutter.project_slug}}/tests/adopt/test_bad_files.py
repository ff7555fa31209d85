"""Files and targets that cannot be adopted: each one clear error, and nothing is written."""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.adopt.infer_contract import Request, infer_contract
from ml.adopt.source.inputs import read
from ml.errors import UserError
from tests.adopt.refused import SOUND, refused, with_lines


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b" \n\n \n", "is empty"),
        (b"a,b,y\n", "holds no rows"),
        (b"y\n" + b"\n".join(b"%d" % i for i in range(60)), "only one column"),
        (
            with_lines((5, "1,2,3,4"), (9, "7,8"), (30, "1")),
            r"3 rows do not have the 3 columns .* line 6 has 4",
        ),
        (b"PK\x03\x04" + bytes(900), "Excel or zip"),
        (b'{"a": [1, 2]}\n' * 30, "JSON"),
        (b"<html><body>" * 30, "HTML"),
        (bytes(range(256)) * 400, "no text"),
        (b"x" * 300_000, "no line ends"),
        (gzip.compress(SOUND.encode(), mtime=0)[:-20], "cannot be unpacked|not readable"),
        (SOUND.encode("utf-32"), "UTF-32"),
        (gzip.compress(SOUND.encode(), mtime=0)[:40] + bytes(40), "cannot be unpacked"),
        (b"PAR1" + bytes(100), "not a readable Parquet"),
        (b"exported,by,tool,2024-01-01\n" + SOUND.encode(), "do not have the 4 columns"),
        (b"Report of May\n\n" + SOUND.encode(), "first 1 lines"),
    ],
)
def test_a_file_that_is_no_table(data: bytes, says: str, folder: Path) -> None:
    assert re.search(says, refused(data))


@pytest.mark.parametrize(("line", "text"), [(0, '"a,b,y'), (30, '1,2,"yes')])
def test_a_quote_that_is_not_closed_names_its_line(line: int, text: str, folder: Path) -> None:
    data = with_lines((line, text))
    assert f"line {line + 1}: a quote opens here and is not closed" in refused(data)


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


TABLE = _parquet(
    pa.table({"a": np.arange(60), "b": np.arange(60) % 11, "y": ["yes", "no", "no"] * 20})
)
WRITTEN = [
    SOUND.encode(), SOUND.replace("9,", '"9",').encode(), SOUND.encode("utf-16"),
    b"\xef\xbb\xbf" + SOUND.encode(),
    SOUND.replace("9,", "é,").encode("latin-1"), gzip.compress(SOUND.encode(), mtime=0), TABLE,
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_are_read_or_refused(data: st.DataObject) -> None:
    """Bytes cut, overwritten and inserted anywhere: a `UserError` or a table, nothing else."""
    written = bytearray(data.draw(st.sampled_from(WRITTEN)))
    junk = st.sampled_from(
        [b'"', b"\x00", b"\xff", b"\r", b"\n", b",", b"\xef\xbb\xbf", b"\xff\xfe", b'","']
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(written)))
        written[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.one_of(junk, st.binary(max_size=8))
        )
    del written[data.draw(st.one_of(st.just(len(written)), st.integers(0, len(written)))) :]
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(UserError):
        path = Path(folder) / "t.csv"
        path.write_bytes(written)
        texts, source = read([path])
        infer_contract("t.csv", texts, source, Request("y"))


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (["1"] * 60, 'constant: always "1"'),
        ([""] * 60, "every value is missing"),
        ([f"name{i}" for i in range(60)], "unique"),
        ([str(i) for i in range(60)], "unique"),
        (["a"] * 57 + ["b"] * 3, "fewer than two classes have 5 rows"),
        (["a", "b"] + [""] * 58, "fewer than two classes|too few"),
        (["a", "b", "x" * 201] * 20, "a class of 201 characters"),
        (["7.25", "NA"] * 30, "constant"),
    ],
)
def test_a_target_that_cannot_be_learned(column: list[str], says: str, folder: Path) -> None:
    data = "\n".join(["a,y", *(f"{i % 7}.5,{v}" for i, v in enumerate(column))])
    assert re.search(says, refused(data.encode()))


def test_a_target_that_is_not_there_names_the_nearest(folder: Path) -> None:
    said = refused(SOUND.replace("a,b,y", "churn_date,b,Churned").encode(), target="churned")
    assert 'TARGET "churned" is not among its columns' in said
    assert "Churned" in said


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"id": "y"}, 'column "y" is given as TARGET and ID'),
        ({"time": "a"}, 'time "a" does not hold moments'),
        ({"time": "when"}, 'TIME "when" is not among'),
        ({"task": "regression"}, "no regression"),
        ({"task": "multiclass"}, "2 classes are not multiclass"),
        ({"task": "ranking"}, 'task "ranking" is none of'),
        ({"contract": "maybe"}, 'contract "maybe" is none of'),
    ],
)
def test_an_option_that_does_not_fit(said: dict[str, str], says: str, folder: Path) -> None:
    assert says in refused(SOUND.encode(), **said)


def test_too_few_rows(folder: Path) -> None:
    assert "12 rows with a target are too few" in refused(
        "\n".join(SOUND.splitlines()[:13]).encode()
    )


def test_nothing_left_to_predict_from(folder: Path) -> None:
    data = "\n".join(["id,y", *(f"row{i},{i % 2}" for i in range(60))])
    assert "no column is left" in refused(data.encode())
    # too short to learn words from
    notes = "\n".join(["note,y", *(f"was {i},{i % 2}" for i in range(60))])
    assert "no column is left" in refused(notes.encode())


def test_a_disk_that_refuses_is_told(folder: Path) -> None:
    Path("data").write_text("a file where a folder should be")
    assert "data" in refused(SOUND.encode())

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

from ml.adopt.commands import adopt
from ml.adopt.infer_contract import Request, infer_contract
from ml.adopt.source.inputs import read
from ml.contract import Source
from ml.dataset.reader import read_texts
from ml.errors import UserError

ROWS = [f"{i},{i * 7 % 11},{'yes' if i % 3 else 'no'}" for i in range(60)]
SOUND = "\n".join(["a,b,y", *ROWS]) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _refused(data: bytes | None, target: str = "y", file: str = "t.csv", **said: object) -> str:
    """The message with which adopting a file is refused."""
    if data is not None:
        Path(file).write_bytes(data)
    before = sorted(Path().rglob("*"))
    with pytest.raises(UserError) as caught:
        adopt(file, target=target, drop=[], **said)  # type: ignore[arg-type]
    assert sorted(Path().rglob("*")) == before
    assert caught.value.then
    return str(caught.value)


def _lines(*changed: tuple[int, str]) -> bytes:
    lines = ["a,b,y", *ROWS]
    for i, line in changed:
        lines[i] = line
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b" \n\n \n", "is empty"),
        (b"a,b,y\n", "holds no rows"),
        (b"y\n" + b"\n".join(b"%d" % i for i in range(60)), "only one column"),
        (
            _lines((5, "1,2,3,4"), (9, "7,8"), (30, "1")),
            r"3 rows do not have the 3 columns .* line 6 has 4",
        ),
        (b"PK\x03\x04" + bytes(900), "Excel or zip"),
        (b'{"a": [1, 2]}\n' * 30, "JSON"),
        (b"<html><body>" * 30, "HTML"),
        (bytes(range(256)) * 400, "no text"),
        (b"x" * 300_000, "no line ends"),
        (gzip.compress(SOUND.encode())[:-20], "cannot be unpacked|not readable"),
        (SOUND.encode("utf-32"), "UTF-32"),
        (gzip.compress(SOUND.encode())[:40] + bytes(40), "cannot be unpacked"),
        (b"PAR1" + bytes(100), "not a readable Parquet"),
        (b"exported,by,tool,2024-01-01\n" + SOUND.encode(), "do not have the 4 columns"),
        (b"Report of May\n\n" + SOUND.encode(), "first 1 lines"),
    ],
)
def test_a_file_that_is_no_table(data: bytes, says: str, folder: Path) -> None:
    assert re.search(says, _refused(data))


MANY = "\n".join(f"{i},{i * 7 % 11},{'yes' if i % 3 else 'no'}" for i in range(40_000))


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (_lines((30, '1,"2,yes')), 31),
        (_lines((30, '"1,2,yes')), 31),
        (_lines((30, '1,2,"yes')), 31),  # the last column: the rest of the file became one class
        # a later quote closes it: ten rows were lost
        (_lines((30, '1,"2,yes'), (40, '1,"2",yes')), 31),
        (_lines((60, '1,"2,yes')), 61),
        (_lines((0, 'a,"b,y')), 1),
        (_lines((20, '"4\n4",2,yes'), (30, '1,"2,yes')), 32),  # a value of two lines is sound
        (f'a,b,y\n1,"2,yes\n{MANY}'.encode(), 2),  # longer than the csv module's own limit
        (gzip.compress(f'a,b,y\n1,2,"yes\n{MANY}'.encode()), 2),
        ("\n".join(["a,b,y", *ROWS[:30], '1,"2,yes', *ROWS[30:]]).encode("utf-16"), 32),
    ],
)
def test_a_quote_that_is_not_closed_names_its_line(data: bytes, line: int, folder: Path) -> None:
    assert f"line {line}: a quote opens here and is not closed" in _refused(data)


def test_values_of_several_lines_are_read(folder: Path) -> None:
    """Quotes that are closed, doubled or stand within a value are sound."""
    data = _lines((20, '"4\n""4""",2,yes'), (30, '5" pipe,2,no'), (31, '"5"" pipe",2,no'))
    Path("t.csv").write_bytes(data)
    texts = read_texts(Path("t.csv"), Source())
    assert texts.num_rows == 60
    assert texts["a"].to_pylist()[19] == '4\n"4"'


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def test_two_parquet_columns_of_one_name_are_told_apart(folder: Path) -> None:
    numbers = pa.array(np.arange(60) % 7)
    Path("t.parquet").write_bytes(
        _parquet(pa.table([numbers, numbers, numbers], names=["a", "a", "y"]))
    )
    assert read_texts(Path("t.parquet"), Source()).column_names == ["a", "a_2", "y"]


TABLE = _parquet(
    pa.table({"a": np.arange(60), "b": np.arange(60) % 11, "y": ["yes", "no", "no"] * 20})
)
WRITTEN = [
    SOUND.encode(), SOUND.replace("9,", '"9",').encode(), SOUND.encode("utf-16"),
    b"\xef\xbb\xbf" + SOUND.encode(),
    SOUND.replace("9,", "é,").encode("latin-1"), gzip.compress(SOUND.encode()), TABLE,
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


def test_mixed_encodings_are_counted(folder: Path) -> None:
    lines = SOUND.splitlines()
    lines[4] = lines[5] = "1,2,größe"
    lines[9] = "1,2,weiß"
    data = "\n".join(lines[:8]).encode() + b"\n" + "\n".join(lines[8:]).encode("latin-1")
    said = _refused(data)
    assert "mixed encodings: 2 lines are UTF-8 and 1 are not (first: line 10)" in said
    assert "ENCODING=latin-1" in said


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13", "\0"])
def test_an_encoding_that_is_none(encoding: str, folder: Path) -> None:
    assert "no encoding that Python knows" in _refused(SOUND.encode(), encoding=encoding)


def test_an_encoding_that_does_not_fit(folder: Path) -> None:
    assert "not readable as utf-8 text" in _refused(
        SOUND.replace("9,", "é,").encode("latin-1"), encoding="utf-8"
    )


def test_a_missing_file_names_the_nearest(folder: Path) -> None:
    Path("customers.csv").write_text(SOUND)
    assert 'no such file (there is "customers.csv")' in _refused(None, file="customer.csv")


def test_a_folder_without_tables(folder: Path) -> None:
    Path("empty").mkdir()
    assert "a folder without tables" in _refused(None, file="empty")


def test_parts_of_different_shapes(folder: Path) -> None:
    Path("parts").mkdir()
    Path("parts/1.csv").write_text(SOUND)
    Path("parts/2.csv").write_text(SOUND.replace("a,b,y", "a,c,y"))
    assert 'lacks the column "b"' in _refused(None, file="parts")
    Path("parts/2.csv").write_text(SOUND.replace(",", ";"))
    assert 'separator ";"' in _refused(None, file="parts")


def test_data_in_the_first_line_is_not_taken_for_names(folder: Path) -> None:
    rng = np.random.default_rng(0)
    measured = "\n".join(
        ",".join(f"{v:.1f}" for v in row) + ",ab"[: 2 + i % 2]
        for i, row in enumerate(rng.normal(0, 1, (60, 3)))
    )
    said = _refused(measured.encode())
    assert "looks like data" in said
    assert "NAMES=column_1,column_2,column_3,column_4" in said
    letters = "\n".join(",".join(rng.choice(list("pxsn"), 6)) for _ in range(80))
    assert "looks like data" in _refused(letters.encode())


def test_names_of_a_wrong_number(folder: Path) -> None:
    assert "3 columns, but 2 names" in _refused(SOUND.encode(), names=["a", "y"])


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
    assert re.search(says, _refused(data.encode()))


def test_a_target_that_is_not_there_names_the_nearest(folder: Path) -> None:
    said = _refused(SOUND.replace("a,b,y", "churn_date,b,Churned").encode(), target="churned")
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
    assert says in _refused(SOUND.encode(), **said)


def test_too_few_rows(folder: Path) -> None:
    assert "12 rows with a target are too few" in _refused(
        "\n".join(SOUND.splitlines()[:13]).encode()
    )


def test_nothing_left_to_predict_from(folder: Path) -> None:
    data = "\n".join(["id,y", *(f"row{i},{i % 2}" for i in range(60))])
    assert "no column is left" in _refused(data.encode())
    # too short to learn words from
    notes = "\n".join(["note,y", *(f"was {i},{i % 2}" for i in range(60))])
    assert "no column is left" in _refused(notes.encode())


def test_a_disk_that_refuses_is_told(folder: Path) -> None:
    Path("data").write_text("a file where a folder should be")
    assert "data" in _refused(SOUND.encode())

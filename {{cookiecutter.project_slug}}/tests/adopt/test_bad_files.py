"""Files and targets that cannot be adopted: each one clear error, and nothing is written."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from ml.adopt.adopt import adopt
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
        (_lines((5, "1,2,3,4"), (9, "7,8"), (30, "1")), r"3 rows do not have the 3 columns .* line 6 has 4"),
        (b"PK\x03\x04" + bytes(900), "Excel or zip"),
        (b'{"a": [1, 2]}\n' * 30, "JSON"),
        (b"<html><body>" * 30, "HTML"),
        (bytes(range(256)) * 400, "no text"),
        (b"x" * 300_000, "no line ends"),
        (gzip.compress(SOUND.encode())[:-20], "cannot be unpacked|not readable"),
        (b"PAR1" + bytes(100), "not a readable Parquet"),
        (b"exported,by,tool,2024-01-01\n" + SOUND.encode(), "do not have the 4 columns"),
        (b"Report of May\n\n" + SOUND.encode(), "first 1 lines"),
    ],
)
def test_a_file_that_is_no_table(data: bytes, says: str, folder: Path) -> None:
    assert re.search(says, _refused(data))


def test_mixed_encodings_are_counted(folder: Path) -> None:
    lines = SOUND.splitlines()
    lines[4] = "1,2,größe"
    lines[9] = "1,2,weiß"
    data = "\n".join(lines[:8]).encode() + b"\n" + "\n".join(lines[8:]).encode("latin-1")
    assert "mixed encodings: 1 lines are UTF-8 and 1 are not (first: line 10)" in _refused(data)


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
        ",".join(f"{v:.1f}" for v in row) + ",ab"[: 2 + i % 2] for i, row in enumerate(rng.normal(0, 1, (60, 3)))
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
    assert "12 rows with a target are too few" in _refused("\n".join(SOUND.splitlines()[:13]).encode())


def test_nothing_left_to_predict_from(folder: Path) -> None:
    data = "\n".join(["id,y", *(f"row{i},{i % 2}" for i in range(60))])
    assert "no column is left" in _refused(data.encode())
    notes = "\n".join(["note,y", *(f"was {i},{i % 2}" for i in range(60))])  # too short to learn words from
    assert "no column is left" in _refused(notes.encode())


def test_a_disk_that_refuses_is_told(folder: Path) -> None:
    Path("data").write_text("a file where a folder should be")
    assert "data" in _refused(SOUND.encode())

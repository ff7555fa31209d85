"""Encodings, named or guessed, and first lines that hold no names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.adopt.append import append
from ml.adopt.commands import adopt
from ml.contract import Categorical, load_contract
from ml.errors import UserError
from ml.pipeline import ingest
from tests.adopt.refused import SOUND, refused
from tests.adopt.visits import visits, write


def _cyrillic(n: int = 200, seed: int = 0) -> pd.DataFrame:
    """Some of its lines are UTF-8 by accident when written as cp1251."""
    frame = visits(n, seed)
    return frame.assign(
        plan=np.where(frame.index % 3 == 0, "Рё", np.where(frame["plan"] == "a", "дом", "мир"))
    )


def test_a_named_encoding_is_remembered(project: Path) -> None:
    """Lines that are UTF-8 by accident were refused as a mixture of encodings."""
    assert "Рё".encode("cp1251").decode("utf-8") == "и"
    adopt(
        write("visits.csv", _cyrillic(), encoding="cp1251"),
        target="won",
        drop=[],
        encoding="Windows-1251",
    )
    contract = load_contract()
    plan = contract.get("plan")
    assert isinstance(plan, Categorical)
    assert plan.levels == ("Рё", "дом", "мир")
    assert contract.source.encoding == "cp1251"
    assert "is not UTF-8" not in Path("contract.yaml").read_text()
    append(write("more.csv", _cyrillic(90, seed=1), encoding="cp1251"))
    append(write("named.csv", _cyrillic(80, seed=2), encoding="cp1251"), "cp1251")
    ingest.main()
    assert set(pd.read_parquet("data/ingested.parquet")["plan"]) == set(plan.levels)
    with pytest.raises(UserError, match=r"it is cp1252, in contract\.yaml the encoding is cp1251"):
        append(write("other.csv", _cyrillic(50).assign(plan="größe"), encoding="cp1252"), "cp1252")


def test_a_guessed_encoding_is_a_doubt(project: Path) -> None:
    # one line is UTF-8 by accident
    frame = visits().assign(plan=lambda f: np.where(f.index == 7, "Ã¼", "größe"))
    adopt(write("visits.csv", frame, encoding="latin-1"), target="won", drop=[])
    assert load_contract().source.encoding == "latin-1"
    said = " ".join(
        line.removeprefix("#").strip() for line in Path("contract.yaml").read_text().splitlines()
    )
    assert (
        "visits.csv is not UTF-8 (first: line 2), read as latin-1, though 1 lines could be UTF-8"
        in said
    )
    append(write("more.csv", frame[:50].assign(plan="größe"), encoding="latin-1"))


def test_an_encoding_that_bytes_leave_open_can_be_named(project: Path) -> None:
    """Every letter of the new part is UTF-8 by accident."""
    frame = visits().assign(plan=lambda f: np.where(f.index % 9 == 0, "Ã¼", "größe"))
    adopt(write("visits.csv", frame, encoding="latin-1"), target="won", drop=[])
    more = write("more.csv", visits(50).assign(plan="Ã¼"), encoding="latin-1")
    with pytest.raises(UserError, match="ENCODING=latin-1"):
        append(more)
    append(more, "latin1")
    ingest.main()
    assert set(pd.read_parquet("data/ingested.parquet")["plan"]) == {"Ã¼", "größe"}


def test_mixed_encodings_are_counted(folder: Path) -> None:
    lines = SOUND.splitlines()
    lines[4] = lines[5] = "1,2,größe"
    lines[9] = "1,2,weiß"
    data = "\n".join(lines[:8]).encode() + b"\n" + "\n".join(lines[8:]).encode("latin-1")
    said = refused(data)
    assert "mixed encodings: 2 lines are UTF-8 and 1 are not (first: line 10)" in said
    assert "ENCODING=latin-1" in said


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13", "\0"])
def test_an_encoding_that_is_none(encoding: str, folder: Path) -> None:
    assert "no encoding that Python knows" in refused(SOUND.encode(), encoding=encoding)


def test_an_encoding_that_does_not_fit(folder: Path) -> None:
    assert "not readable as utf-8 text" in refused(
        SOUND.replace("9,", "é,").encode("latin-1"), encoding="utf-8"
    )


def test_data_in_the_first_line_is_not_taken_for_names(folder: Path) -> None:
    rng = np.random.default_rng(0)
    measured = "\n".join(
        ",".join(f"{v:.1f}" for v in row) + ",ab"[: 2 + i % 2]
        for i, row in enumerate(rng.normal(0, 1, (60, 3)))
    )
    said = refused(measured.encode())
    assert "looks like data" in said
    assert "NAMES=column_1,column_2,column_3,column_4" in said
    letters = "\n".join(",".join(rng.choice(list("pxsn"), 6)) for _ in range(80))
    assert "looks like data" in refused(letters.encode())


def test_names_of_a_wrong_number(folder: Path) -> None:
    assert "3 columns, but 2 names" in refused(SOUND.encode(), names=["a", "y"])

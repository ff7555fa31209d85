"""A part as the contract's types, or an error by file, column, value and line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ml.dataset.frame import typed
from ml.dataset.typed import Part, read_typed
from ml.errors import UserError
from tests.dataset.written_part import CONTRACT, HEADER, ROWS


def _read(text: str, folder: Path) -> Part:
    path = folder / "0001-a.csv"
    path.write_text(text, encoding="utf-8")
    return read_typed(path, CONTRACT)


def test_each_kind_is_read_as_the_contract_writes_it(tmp_path: Path) -> None:
    part = _read(HEADER + ROWS, tmp_path)
    assert (part.rows_read, part.without_target, part.of_rare_class) == (5, 1, 1)
    kinds = {field.name: str(field.type) for field in part.table.schema}
    assert kinds == {
        "when": "timestamp[us]", "Betrag": "double", "n": "double", "plan": "string",
        "aktiv": "bool", "left": "string", "Kunde": "string",
    }  # fmt: skip
    frame = typed(part.table.to_pandas(), CONTRACT)
    assert frame["Betrag"].tolist()[0] == 1234.5
    assert frame["Betrag"].isna().tolist() == [False, True, True]
    assert frame["when"].tolist()[:2] == [pd.Timestamp("2024-02-01"), pd.Timestamp("2024-02-02")]
    assert frame["aktiv"].tolist() == [True, False, True]
    assert frame["left"].tolist() == ["yes", "no", "no"]
    assert frame["Kunde"].tolist() == ["k1", "k2", "k4"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "02.02.2024",
            "2024-02-02",
            'column "when": 1 of 5 values are not moments .*"2024-02-02" at line 3',
        ),
        ("8;2", "8;2.5", 'column "n": 1 of 5 values are not whole numbers .*"2.5" at line 7'),
        ("8;2", "much;2", 'column "Betrag": 1 of 5 .*numbers .*"much" at line 7'),
        ("k4;;1", "k4;1.23;1", '"1.23" at line 6'),
        (
            ";ja;x;NO",
            ";vielleicht;x;NO",
            'column "aktiv": 1 of 5 values are not yes or no .*"vielleicht" at line 6',
        ),
        (
            "rare",
            "perhaps",
            'column "left": 1 of 5 values are not among the classes no, yes .*"perhaps" at line 7',
        ),
        (
            "Betrag",
            "Betraege",
            'column "Betrag" of contract.yaml is not in it .*nearest is "Betraege"',
        ),
        ("junk", "fax", 'does not know its column "fax"'),
        (
            "k5;8;",
            "k5;8;9;",
            "1 rows do not have the 8 columns of the first line .first: line 7 has 9",
        ),
        ("k5;8;", "k5;1e39;", '"1e39" at line 7'),  # beyond float32
    ],
)
def test_what_breaks_the_contract_is_named_with_file_column_value_and_line(
    old: str, new: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=says) as caught:
        _read((HEADER + ROWS).replace(old, new), tmp_path)
    assert "0001-a.csv" in caught.value.what
    assert caught.value.then


def test_an_error_in_parquet_names_the_row(tmp_path: Path) -> None:
    rows = [line.split(";") for line in ROWS.replace("pl\nus", "plus").splitlines()]
    frame = pd.DataFrame(rows, columns=HEADER.strip().split(";"))
    frame.loc[3, "n"] = "2.5"
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r'"2\.5" at row 4'):
        read_typed(tmp_path / "a.parquet", CONTRACT)

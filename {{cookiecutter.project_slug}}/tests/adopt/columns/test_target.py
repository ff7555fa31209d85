"""The target: numbers among which some are missing are a regression, and texts have a limit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.adopt.infer_contract import Adopted, Request, infer_contract
from ml.adopt.source.inputs import read
from ml.contract import Categorical, Contract, Integer, Numeric, Task, Text
from ml.dataset.checks import findings
from ml.dataset.frame import typed
from ml.params import load_params
from tests.conftest import read_frame

PARAMS = Path(__file__).parents[3] / "params.yaml"
SALES = [f"{i * 7.3 % 97:.2f}" for i in range(600)]


def _adopted(folder: Path, columns: dict[str, list[str]], task: Task | None = None) -> Adopted:
    path = folder / "t.csv"
    rows = map(",".join, zip(*columns.values(), strict=True))
    path.write_text("\n".join([",".join(columns), *rows]), encoding="utf-8")
    texts, source = read([path])
    return infer_contract("t.csv", texts, source, Request("y", task=task))


def _with_gaps(marker: str, every: int, values: list[str]) -> list[str]:
    return [marker if i % every == 1 else text for i, text in enumerate(values)]


@pytest.mark.parametrize("task", [None, "regression"])
@pytest.mark.parametrize("every", [100, 20, 3])
@pytest.mark.parametrize("marker", ["NA", "None", "n/a", "?", "-", "Unknown", "#N/A"])
def test_a_number_with_gaps_is_a_regression(
    marker: str, every: int, task: Task | None, tmp_path: Path
) -> None:
    """1 %, 5 % and a third of the rows: each marker means missing, and the file is read so."""
    columns = {"a": [str(i % 7) for i in range(600)], "y": _with_gaps(marker, every, SALES)}
    adopted = _adopted(tmp_path, columns, task)
    assert adopted.contract.target.task == "regression"
    assert adopted.target.missing == columns["y"].count(marker)
    assert len(read_frame(tmp_path / "t.csv", adopted.contract)) == 600 - adopted.target.missing


def test_na_is_missing_among_numbers_and_a_class_among_words(tmp_path: Path) -> None:
    a = [str(i % 7) for i in range(600)]
    numbers = _adopted(tmp_path, {"a": a, "y": _with_gaps("NA", 20, ["0", "1"] * 300)})
    assert numbers.contract.target.classes == ("0", "1")
    words = _adopted(tmp_path, {"a": a, "y": _with_gaps("NA", 20, ["low", "high"] * 300)})
    assert words.contract.target.classes == ("NA", "high", "low")


def _sound(folder: Path, contract: Contract) -> bool:
    frame = read_frame(folder / "t.csv", contract)
    return not findings(typed(frame, contract), contract, load_params(PARAMS).validate_)


def test_a_marker_belongs_to_its_column(tmp_path: Path) -> None:
    """`Unknown` is missing in `age` and a value in `name`.

    The contract's own file was refused for it.
    """
    age = _with_gaps("Unknown", 61, [str(20 + i % 50) for i in range(600)])
    name = [f"name {i % 40}" if i != 5 else "Unknown" for i in range(600)]
    adopted = _adopted(tmp_path, {"age": age, "name": name, "y": SALES})
    contract = adopted.contract
    column = contract.get("age")
    assert isinstance(column, Integer)
    assert column.missing_texts == ("Unknown",)
    assert not getattr(contract.get("name"), "missing_texts", None)
    assert contract.source.missing == type(contract.source)().missing
    assert _sound(tmp_path, contract)


def _kind(folder: Path, texts: list[str]) -> object:
    adopted = _adopted(folder, {"c": texts, "a": [str(i % 7) for i in range(600)], "y": SALES})
    assert _sound(folder, adopted.contract)
    return adopted.contract.get("c") or adopted.contract.dropped[0].reason


def test_a_text_of_any_length_is_no_level(tmp_path: Path) -> None:
    """A level of 400 kB made a report of 24 MB."""
    levels = ["red", "blue"]
    assert isinstance(_kind(tmp_path, [*levels, "x" * 200] * 200), Categorical)
    assert isinstance(_kind(tmp_path, [*levels, "x" * 201] * 200), Text)
    assert isinstance(_kind(tmp_path, [*levels, "x" * 10_000] * 200), Text)
    assert "10001 characters" in str(_kind(tmp_path, [*levels, "x" * 10_001] * 200))
    assert "400000 characters" in str(_kind(tmp_path, ["x" * 400_000, *levels * 300][:600]))
    assert isinstance(_kind(tmp_path, [*SALES[:599], "unreadable"]), Numeric)
    assert "400000 characters" in str(_kind(tmp_path, [*SALES[:599], "x" * 400_000]))


def test_long_texts_of_few_kinds_are_hashed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    long = [" ".join(rng.choice(["one", "two", "three"], 80)) for _ in range(5)]
    column = _kind(tmp_path, long * 120)
    assert isinstance(column, Text)
    assert column.buckets > 0

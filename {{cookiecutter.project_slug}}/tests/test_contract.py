"""The contract: it survives its file, and a mistake in it is told with file, column and value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from ml.contract import Contract, contract_json, load_contract
from ml.errors import UserError

TEXT = """
target: {name: churned, task: binary, classes: [No, Yes]}
columns:
  - {name: age, kind: integer}
  - {name: plan, kind: categorical, levels: [No, Yes, 'off']}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_words_like_no_stay_words(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, TEXT))
    assert contract.target.classes == ("No", "Yes")


def test_json_round_trip_is_the_identity(tmp_path: Path, contract: Contract) -> None:
    path = tmp_path / "contract.json"
    path.write_text(contract_json(contract), encoding="utf-8")
    assert load_contract(path) == contract
    assert contract_json(load_contract(path)) == contract_json(contract)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("kind: integer", "kind: integr", ['column "age"', "integr"]),
        ("kind: integer", "kind: integer, limit: 3", ['column "age"', "limit", "3"]),
        ("levels: [No, Yes, 'off']", "levels: [No, No]", ['column "plan"', "twice"]),
        ("name: plan", "name: age", ["named twice", "age"]),
        ("name: plan", "name: churned", ["named twice", "churned"]),
        ("classes: [No, Yes]", "classes: [No]", ["binary", "two classes"]),
        ("target:", "time: age\ntarget:", ["time", "age", "not a datetime"]),
        ("target:", "targt:", ["target", "Field required"]),
        ("columns:", "columns: [", ["not valid YAML"]),
        ("{name: age, kind: integer}", "3", ["columns.0", "3"]),
        ("classes: [No, Yes]", "classes: [No, Yes], matures_after: month", ["a duration is 0"]),
        ("kind: integer", "kind: integer, min: 2026-99-99", ["not valid YAML", "month"]),
    ],
)
def test_a_mistake_names_file_and_place(
    tmp_path: Path, old: str, new: str, told: list[str]
) -> None:
    path = write(tmp_path, TEXT.replace(old, new))
    with pytest.raises(UserError) as error:
        load_contract(path)
    for words in ["contract.yaml", *told]:
        assert words in error.value.what
    assert error.value.then


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_contract_in_another_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_bytes(f"{TEXT}# größe\n".encode(encoding))
    with pytest.raises(UserError, match=r"contract\.yaml: line \d is not UTF-8 text"):
        load_contract(path)


@pytest.mark.parametrize("data", [b"{", b"\xff", b"[]"])
def test_a_broken_contract_of_a_bundle_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "contract.json"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"contract\.json"):
        load_contract(path)


def test_no_contract_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="make adopt"):
        load_contract(tmp_path / "contract.yaml")


def test_json_is_stable_under_order_of_keys(contract: Contract) -> None:
    shuffled = dict(reversed(json.loads(contract_json(contract)).items()))
    assert contract_json(Contract.model_validate(shuffled)) == contract_json(contract)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("0", 0.0), ("30d", 2_592_000.0), ("12h", 43_200.0), ("1.5w", 907_200.0), ("90m", 5_400.0)],
)
def test_answers_are_ripe_when_their_outcome_can_no_longer_change(
    tmp_path: Path, written: str, seconds: float
) -> None:
    classes = "classes: [No, Yes]"
    assert classes in TEXT
    path = write(tmp_path, TEXT.replace(classes, f"{classes}, matures_after: {written}"))
    assert load_contract(path).ripe_before(1e9) == 1e9 - seconds


def test_outcomes_are_final_at_once_unless_the_contract_says_otherwise(contract: Contract) -> None:
    assert contract.target.matures_after == "0"
    assert contract.ripe_before(1e9) == 1e9


AUDIT = {"kind": "categorical", "name": "sex", "levels": ["f", "m"], "use": "audit"}
CHARGE = {"kind": "numeric", "name": "charge"}
TARGET = {"name": "left", "task": "binary", "classes": ["no", "yes"]}


def test_a_column_for_audits_is_never_asked_for() -> None:
    contract = Contract.model_validate({"target": TARGET, "columns": [CHARGE, AUDIT]})
    assert contract.audited == ["sex"]
    assert [column.missing for column in contract.columns] == [False, True]
    assert Contract.model_validate_json(contract_json(contract)) == contract


@pytest.mark.parametrize(
    ("columns", "time", "told"),
    [
        ([AUDIT], None, "all are `use: audit`"),
        (
            [CHARGE, {"kind": "datetime", "name": "at", "use": "audit"}],
            "at",
            "orders the rows and cannot be",
        ),
    ],
)
def test_a_model_needs_features_and_rows_an_order(
    columns: list[dict[str, object]], time: str | None, told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        Contract.model_validate({"target": TARGET, "time": time, "columns": columns})

"""Outcomes from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.contract import Target, contract_json
from ml.errors import UserError
from ml.journal.labels import label_file, outcome_of
from ml.journal.records import Record
from ml.journal.store import Journal
from tests.serving.conftest import REGRESSION

SPELLED = Target(
    name="y",
    task="binary",
    classes=("no", "yes"),
    aliases={"Y": "yes", "N": "no"},
    set_aside=("perhaps",),
)


def _predict(*ids: str) -> Journal:
    journal = Journal()
    journal.append(
        [Record(i, 1.0, "1", "champion", None, '{"plan": "basic"}', '"no"', None) for i in ids]
    )
    return journal


def test_labels_of_a_csv(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = _predict("a", "b", "c")
    Path("o.csv").write_text(
        'outcome,prediction_id,by\n"yes, ""100%""",a,x\nno,b,x\nno,gone,x\n', encoding="utf-8-sig"
    )
    label_file(Path("o.csv"))
    assert {p.prediction_id: p.outcome for p in journal.labelled()} == {
        "a": 'yes, "100%"',
        "b": "no",
    }
    assert "3 labels recorded, 1 of them of unknown predictions" in capsys.readouterr().out


def test_a_correction_holds_and_a_repetition_changes_nothing(project: Path) -> None:
    journal = _predict("a")
    Path("o.jsonl").write_text('{"prediction_id": "a", "outcome": "no"}\n\n')
    for _ in range(2):
        label_file(Path("o.jsonl"))
    assert [p.outcome for p in journal.labelled()] == ["no"]
    Path("o.jsonl").write_text('{"prediction_id": "a", "outcome": "yes, \\"100%\\""}\n')
    label_file(Path("o.jsonl"))
    assert [p.outcome for p in journal.predictions()] == ['yes, "100%"']


def test_a_label_of_a_prediction_that_comes_later_is_kept(project: Path) -> None:
    Path("o.csv").write_text("prediction_id,outcome\na,no\n")
    label_file(Path("o.csv"))
    assert [p.outcome for p in _predict("a").labelled()] == ["no"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("yes", "yes"), ("Y", "yes"), (" N ", "no"), ("no", "no"), ("perhaps", "perhaps")],
)
def test_a_class_may_be_spelled_as_in_the_file(given: str, kept: str) -> None:
    assert outcome_of(given, SPELLED) == kept


@pytest.mark.parametrize(
    ("given", "kept"), [(1, "1"), (1.0, "1"), ("0", "0"), (True, "True"), (False, "0")]
)
def test_a_class_may_be_sent_as_a_number_or_a_boolean(given: object, kept: str) -> None:
    numbers = Target(
        name="y", task="multiclass", classes=("0", "1", "True"), aliases={"False": "0"}
    )
    assert outcome_of(given, numbers) == kept


@pytest.mark.parametrize("given", ["YES", "", 1, 1.5, True, None, ["yes"]])
def test_an_unknown_class_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match='is not one of "no", "yes"'):
        outcome_of(given, SPELLED)


def test_numbers_of_a_regression(project: Path) -> None:
    Path("contract.yaml").write_text(contract_json(REGRESSION))
    journal = _predict("a", "b")
    Path("o.csv").write_text("prediction_id,outcome\na,7.5\nb,1e3\n")
    label_file(Path("o.csv"))
    assert [p.outcome for p in journal.labelled()] == [7.5, 1000.0]
    for bad in ("inf", "nan", "many", "1e39"):
        Path("o.csv").write_text(f"prediction_id,outcome\na,{bad}\n")
        with pytest.raises(UserError, match=r"line 2: outcome .* is not a finite number"):
            label_file(Path("o.csv"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "o.csv",
            "prediction_id,outcome\na,no\nb,maybe\n",
            r'o.csv: line 3: outcome "maybe" is not one of "no", "yes',
        ),
        ("o.csv", "prediction_id,outcome\na,no\n,no\n", "line 3: prediction_id is missing"),
        ("o.csv", "prediction_id,outcome\na\n", "line 2: outcome is missing"),
        (
            "o.csv",
            "id,outcome\na,no\n",
            'there is no column prediction_id; there are: "id", "outcome"',
        ),
        ("o.csv", "", "there is no column prediction_id"),
        ("o.jsonl", '{"prediction_id": "a", "outcome": "no"}\n[1]\n', "line 2: not a JSON object"),
        ("o.jsonl", "{\n", "line 1: not a JSON object"),
        ("o.xlsx", "", "labels are read from .csv and .jsonl"),
    ],
)
def test_a_wrong_file_records_nothing(project: Path, name: str, content: str, says: str) -> None:
    journal = _predict("a", "b")
    Path(name).write_text(content)
    with pytest.raises(UserError, match=says):
        label_file(Path(name))
    assert list(journal.labelled()) == []


def test_a_missing_file_is_told(project: Path) -> None:
    with pytest.raises(UserError, match=r"nothing.csv: no such file"):
        label_file(Path("nothing.csv"))

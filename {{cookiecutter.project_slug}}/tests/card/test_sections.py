"""The card's sections: what it says of any model."""

from __future__ import annotations

from ml.card.document import Table
from ml.card.sections import document
from tests.card.subjects import subject


def test_every_section_is_there_and_the_blanks_are_counted() -> None:
    card = document(subject())
    assert [section.title for section in card.sections] == [
        "The model",
        "Use",
        "Data",
        "Metrics",
        "Calibration",
        "Slices",
        "Fairness",
        "Explanations",
        "Considerations",
        "Limits",
        "Since the release",
    ]
    assert {blank.setting for blank in card.blanks} == {
        "card.intended_use",
        "card.out_of_scope",
        "card.contact",
        "card.data_origin",
        "card.considerations",
        "card.known_limits",
    }
    assert document(subject({"contact": " ", "data_origin": "asked"})).blanks == [
        blank for blank in card.blanks if blank.setting != "card.data_origin"
    ]


def test_the_model_is_named_with_its_hashes() -> None:
    (table,) = document(subject()).sections[0].blocks
    assert isinstance(table, Table)
    assert ("version", "3") in table.rows
    assert ("git commit", "0" * 40) in table.rows
    assert ("kind of model", "boosting") in table.rows

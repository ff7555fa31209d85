"""The page: names of anybody are text, blanks are seen."""

from __future__ import annotations

from ml.card.page import page
from ml.card.sections import document
from tests.card.parsed import Page
from tests.card.subjects import HOSTILE, subject


def test_names_are_text_and_no_markup() -> None:
    made = page(document(subject({"contact": HOSTILE})))
    assert "<script" not in made
    assert "&lt;script&gt;" in made
    assert set(Page(made).tags).isdisjoint({"script", "b\n"})


def test_a_blank_names_its_setting() -> None:
    made = page(document(subject({"contact": "data@example.invalid"})))
    assert made.count('class="blank"') == 5
    assert "<code>card.intended_use</code>" in made
    assert "<code>card.contact</code>" not in made
    assert "data@example.invalid" in made


def test_a_figure_that_is_missing_is_a_dash() -> None:
    values = {source: text for _, source, text in Page(page(document(subject()))).numbers}
    assert values["metrics/linear.json#/brier"] == "-"
    assert values["metrics/card.json#/slices/1/roc_auc"] == "-"

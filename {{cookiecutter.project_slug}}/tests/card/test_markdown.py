"""Markdown: a row of a table stays a row, whatever a column is called."""

from __future__ import annotations

from ml.card.markdown import escaped, markdown
from ml.card.sections import document
from tests.card.subjects import HOSTILE, subject


def test_names_break_no_table_and_open_no_markup() -> None:
    made = markdown(document(subject({"known_limits": HOSTILE})))
    table = [line for line in made.splitlines() if line.startswith("| ") and "script" in line]
    assert len(table) == 3  # missing values, slices, importance
    assert all(line.replace("\\|", "").count("|") in (3, 4) for line in table)
    assert "<script" not in made.replace("\\<", "")


def test_words_of_a_name_stay_readable() -> None:
    assert escaped("days_since_login") == "days_since_login"
    assert escaped("_a_ *b*") == r"\_a\_ \*b\*"


def test_blanks_are_marked() -> None:
    made = markdown(document(subject()))
    assert made.count("**To be written by a person**") == 6

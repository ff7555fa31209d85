"""What an explanation says in a sentence."""

from __future__ import annotations

from typing import Any

from ml.explain.sentences import because, sentence, shown


def told(**contributions: float) -> list[dict[str, Any]]:
    return [
        {"column": name, "value": 31, "contribution": value}
        for name, value in contributions.items()
    ]


def test_one_column_that_carries_half_of_the_way_is_mostly_the_reason() -> None:
    listed = told(days_since_login=0.3, fee=0.2, calls=-0.1)
    assert sentence("left=yes", 0.7, 0.3, True, listed) == (
        "left=yes: 70.0 %, against 30.0 % on average, mostly because `days_since_login` is 31."
    )


def test_more_are_named_where_one_is_not_enough() -> None:
    assert because(told(a=0.2, b=0.15, c=0.1), 0.6) == "mostly because `a` is 31 and `b` is 31"
    assert because(told(a=0.2, b=0.15, c=0.1), 0.8) == (
        "mostly because `a` is 31, `b` is 31 and `c` is 31"
    )


def test_many_small_reasons_are_not_called_mostly() -> None:
    listed = told(a=0.1, b=0.09, c=0.08, d=0.07)
    assert because(listed, 0.9).startswith("for many reasons, first that `a` is 31, `b`")


def test_only_reasons_in_the_answers_direction_are_named() -> None:
    assert because(told(up=0.5, down=-0.9), -0.4) == "mostly because `down` is 31"
    assert because([], 0.0) == "and no column moves it"


def test_values_are_told_as_a_person_says_them() -> None:
    assert [shown(v) for v in (None, True, False, 3, 2.5, 1e-9, "a\nb")] == [
        "missing",
        "yes",
        "no",
        "3",
        "2.5",
        "1e-09",
        "a\\nb",
    ]
    assert sentence("fee", 412.123456, 189.0, False, told(hour=200.0)).startswith(
        "fee: 412.1, against 189 on average, mostly"
    )

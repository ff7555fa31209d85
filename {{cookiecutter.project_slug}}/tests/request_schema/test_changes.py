"""What a client notices of another contract, and that it notices nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.contract import Categorical, Column, Contract, Datetime, Integer, Numeric, Target, Text
from ml.request_schema.changes import breaking_changes, same_target
from ml.request_schema.rows import RequestSchema

BEFORE = Contract(
    target=Target(name="left", task="binary", classes=("no", "yes")),
    time="seen",
    id="customer",
    columns=(
        Numeric(name="charge", kind="numeric", missing=True),
        Integer(name="calls", kind="integer"),
        Categorical(name="plan", kind="categorical", levels=("basic", "plus")),
        Categorical(name="city", kind="categorical", levels=("Oslo",), unseen="pool"),
        Datetime(name="seen", kind="datetime"),
        Text(name="note", kind="text"),
    ),
)


def changed(name: str = "", /, **values: object) -> Contract:
    """BEFORE with other values of one column, or of the contract."""
    if not name:
        return BEFORE.model_copy(update=values)
    columns = tuple(
        column.model_copy(update=values) if column.name == name else column
        for column in BEFORE.columns
    )
    return BEFORE.model_copy(update={"columns": columns})


def with_column(column: Column) -> Contract:
    """BEFORE with a further column, or with another in the place of one."""
    others = tuple(c for c in BEFORE.columns if c.name != column.name)
    return BEFORE.model_copy(update={"columns": (*others, column)})


def target(**values: object) -> Contract:
    """BEFORE with another target."""
    return changed(target=BEFORE.target.model_copy(update=values))


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (with_column(Numeric(name="age", kind="numeric")), 'column "age" is new and required'),
        (changed(columns=BEFORE.columns[1:]), 'column "charge" is gone'),
        (changed("charge", missing=False), 'column "charge" was optional, is required'),
        (changed(time=None), 'column "seen" was optional, is required'),
        (
            with_column(Integer(name="charge", kind="integer", missing=True)),
            'column "charge" was numeric, is integer',
        ),
        (
            with_column(Text(name="calls", kind="text")),
            'column "calls" was integer, is text',
        ),
        (changed("plan", levels=("plus", "pro")), 'column "plan" no longer takes "basic"'),
        (
            changed("city", unseen="refuse"),
            'column "city" took any text, takes its levels only',
        ),
        (
            with_column(Categorical(name="note", kind="categorical", levels=("a",), unseen="pool")),
            'column "note" took texts of 10000 characters, takes 200',
        ),
        (changed(id=None), 'column "customer" is gone'),
        (changed(id="calls", columns=(BEFORE.columns[0],)), 'column "calls" is the id'),
        (target(name="gone"), 'the target was "left" (binary), is "gone" (binary)'),
        (
            target(task="regression", classes=()),
            'the target was "left" (binary), is "left" (regression)',
        ),
        (
            target(classes=("yes", "no")),
            'the target\'s classes were "no", "yes", are "yes", "no"',
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_client_would_notice(after: Contract, words: str) -> None:
    assert words in breaking_changes(BEFORE, after)
    assert same_target(BEFORE, after) == ("the target" not in words)


@pytest.mark.parametrize(
    "after",
    [
        BEFORE,
        with_column(Numeric(name="age", kind="numeric", missing=True)),
        changed("calls", missing=True),
        with_column(Numeric(name="calls", kind="numeric")),
        changed("charge", min=0, max=10),
        changed("plan", levels=("pro", "plus", "basic")),
        changed("plan", unseen="pool"),
        with_column(Text(name="plan", kind="text")),
        changed("city", levels=("Lima",)),
        changed(columns=BEFORE.columns[::-1]),
        target(aliases={"ja": "yes"}, set_aside=("maybe",)),
    ],
    ids=range(11),
)
def test_what_a_client_does_not_notice(after: Contract) -> None:
    assert breaking_changes(BEFORE, after) == []


LEVELS = ("a", "b", "ü" * 201)
ANY = {
    "numeric": st.just({}),
    "integer": st.just({}),
    "boolean": st.just({}),
    "datetime": st.just({}),
    "text": st.just({}),
    "categorical": st.fixed_dictionaries(
        {
            "levels": st.lists(st.sampled_from(LEVELS), min_size=1, unique=True).map(tuple),
            "unseen": st.sampled_from(["refuse", "pool"]),
        }
    ),
}


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """One or two columns of any kind, perhaps an id and a time."""
    columns = []
    for name in draw(st.sampled_from([["x"], ["x", "y"]])):
        kind = draw(st.sampled_from(list(ANY)))
        column = {"name": name, "kind": kind, "missing": draw(st.booleans()), **draw(ANY[kind])}
        columns.append(column)
    moments = [column["name"] for column in columns if column["kind"] == "datetime"]
    values = {
        "target": {"name": "t", "task": "regression"},
        "columns": columns,
        "id": draw(st.sampled_from([None, "id"])),
        "time": draw(st.sampled_from([None, *moments])),
    }
    return Contract.model_validate(values)


VALUES: dict[str, list[Any]] = {
    "numeric": [1.5, 2],
    "integer": [2, 3.0],
    "boolean": [True],
    "datetime": ["2025-06-01T10:00:00"],
    "text": ["a", "z" * 10_000],
}


def values_of(column: Column, contract: Contract) -> list[Any]:
    """Some values that a column takes."""
    if isinstance(column, Categorical):
        pooled = ["z" * 200] if column.unseen == "pool" else []
        values: list[Any] = [*column.levels, *pooled]
    else:
        values = VALUES[column.kind]
    return values + ([None] if column.missing or column.name == contract.time else [])


@given(before=contracts(), after=contracts(), data=st.data())
def test_a_request_that_was_answered_is_answered_where_nothing_changed(
    before: Contract, after: Contract, data: st.DataObject
) -> None:
    if breaking_changes(before, after):
        return
    row = {c.name: data.draw(st.sampled_from(values_of(c, before))) for c in before.columns}
    row |= {before.id: 7} if before.id else {}
    left_out = [name for name, value in row.items() if value is None and data.draw(st.booleans())]
    sent = {name: value for name, value in row.items() if name not in left_out}
    RequestSchema(before, max_rows=1).check(sent)
    RequestSchema(after, max_rows=1).check(sent)

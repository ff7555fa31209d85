"""Pandera checks a typed table (see `ml.dataset.frame`): is each row what the contract says?"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ml.contract import (
    FLOAT32_MAX,
    Categorical,
    Column,
    Contract,
    Integer,
    Numeric,
    Text,
    max_length,
)
from ml.errors import UserError, printable
from ml.params import Validate

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

ANY_RANGE = Validate(max_out_of_range=1)


def schema(contract: Contract, params: Validate) -> pa.DataFrameSchema:
    """The contract as a pandera schema over a typed frame (see `ml.dataset.frame`)."""
    import pandera.pandas as pa

    target = pa.Column(checks=_target_checks(contract), nullable=False)
    return feature_schema(contract, params).add_columns({contract.target.name: target})


def feature_schema(contract: Contract, params: Validate = ANY_RANGE) -> pa.DataFrameSchema:
    """The same without a target; by default it allows what a request may hold."""
    import pandera.pandas as pa

    return pa.DataFrameSchema(
        {c.name: pa.Column(checks=_checks(c, params), nullable=c.missing) for c in contract.columns}
    )


def _checks(column: Column, params: Validate) -> list[pa.Check]:
    import pandera.pandas as pa

    match column:
        case Categorical(levels=levels, unseen="refuse"):
            return [pa.Check.isin(levels, error="is not one of the contract's levels")]
        case Categorical() | Text():
            return [_length_check(max_length(column))]
        case Integer():
            whole = pa.Check(lambda values: values % 1 == 0, error="is not a whole number")
            return [*_number_checks(), whole, *_range_check(column, params)]
        case Numeric():
            return [*_number_checks(), *_range_check(column, params)]
        case _:
            return []


def _length_check(most: int) -> pa.Check:
    import pandera.pandas as pa

    return pa.Check(
        lambda values: values.str.len() <= most, error=f"is longer than {most} characters"
    )


def _number_checks() -> list[pa.Check]:
    import pandera.pandas as pa

    return [pa.Check(lambda values: values.abs() <= FLOAT32_MAX, error="does not fit a float32")]


def _range_check(column: Numeric | Integer, params: Validate) -> list[pa.Check]:
    import pandera.pandas as pa

    if column.min is None or column.max is None:
        return []
    low, high, allowed = column.min, column.max, params.max_out_of_range

    def few_are_outside(values: pd.Series) -> pd.Series:
        outside = (values < low) | (values > high)
        return ~outside if outside.sum() > allowed * len(values) else outside | ~outside

    return [pa.Check(few_are_outside, error=f"lies beyond {low:g} to {high:g}")]


def _target_checks(contract: Contract) -> list[pa.Check]:
    import pandera.pandas as pa

    if contract.is_classification:
        return [
            pa.Check.isin(contract.target.classes, error="is not one of the contract's classes")
        ]
    return _number_checks()


def findings(frame: pd.DataFrame, contract: Contract, params: Validate) -> list[dict[str, Any]]:
    """What breaks the contract, one entry for each column and reason.

    An entry holds column, problem, rows, first value and its row.

    Rows are counted from 0 in the order of the frame; an empty list means the frame is sound.
    """
    return findings_of(frame, schema(contract, params))


def findings_of(frame: pd.DataFrame, demanded: pa.DataFrameSchema) -> list[dict[str, Any]]:
    """The same for a schema."""
    cases = _failure_cases(frame, demanded)
    return [] if cases is None else _grouped(cases)


def failing_rows(frame: pd.DataFrame, contract: Contract, params: Validate) -> dict[int, str]:
    """The rows that break the contract, each with its first reason.

    Rows are counted from 0 in the order of the frame.
    """
    cases = _failure_cases(frame, schema(contract, params))
    if cases is None:
        return {}
    reasons: dict[int, str] = {}
    for column, check, value, row in cases[["column", "check", "failure_case", "index"]].itertuples(
        index=False
    ):
        reasons.setdefault(int(row), f'column "{column}": {str(value)[:60]} {_problem(check)}')
    return reasons


def _failure_cases(frame: pd.DataFrame, demanded: pa.DataFrameSchema) -> pd.DataFrame | None:
    import pandera.errors

    with warnings.catch_warnings():  # pandera's own use of pandas is not ours to mend
        warnings.simplefilter("ignore")
        try:
            demanded.validate(frame.reset_index(drop=True), lazy=True)
        except pandera.errors.SchemaErrors as error:
            cases: pd.DataFrame = error.failure_cases
            return cases
    return None


def _grouped(cases: pd.DataFrame) -> list[dict[str, Any]]:
    groups = cases.groupby(["column", "check"], sort=False, dropna=False)
    return [_finding(str(column), check, rows) for (column, check), rows in groups]


def _finding(column: str, check: object, rows: pd.DataFrame) -> dict[str, Any]:
    first = rows.sort_values("index").iloc[0]
    if check == "column_in_dataframe":
        missing = first["failure_case"]
        return {"column": missing, "problem": "is not in the table", "rows": len(rows)}
    value = None if check == "not_nullable" else printable(str(first["failure_case"]))
    return {
        "column": column,
        "problem": _problem(check),
        "rows": len(rows),
        "first": value,
        "row": int(first["index"]),
    }


def _problem(check: object) -> str:
    return "is missing" if check == "not_nullable" else str(check)


def refuse(found: list[dict[str, Any]], rows: int, table: str, report: str = "") -> None:
    """Raise a `UserError` that tells the first finding in words.

    Nothing happens when there is none.
    """
    if not found:
        return
    first = found[0]
    more = f" ({len(found) - 1} more in {report})" if report and len(found) > 1 else ""
    where = (
        f", first: '{first['first']}' in row {first['row']}"
        if first.get("first") is not None
        else ""
    )
    raise UserError(
        f'{table}: column "{first["column"]}": {first["rows"]} of {rows} values:'
        f" {first['problem']}{where}{more}",
        f'correct the data, or what contract.yaml says of "{first["column"]}", then `make flow`',
    )

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
        case Numeric() | Integer():
            return _number_checks(column, params)
        case _:
            return []


def _length_check(most: int) -> pa.Check:
    import pandera.pandas as pa

    return pa.Check(
        lambda values: values.str.len() <= most, error=f"is longer than {most} characters"
    )


def _number_checks(column: Numeric | Integer, params: Validate) -> list[pa.Check]:
    whole = [_whole_check()] if isinstance(column, Integer) else []
    return [_float32_check(), *whole, *_range_checks(column, params)]


def _float32_check() -> pa.Check:
    import pandera.pandas as pa

    return pa.Check(lambda values: values.abs() <= FLOAT32_MAX, error="does not fit a float32")


def _whole_check() -> pa.Check:
    import pandera.pandas as pa

    return pa.Check(lambda values: values % 1 == 0, error="is not a whole number")


def _range_checks(column: Numeric | Integer, params: Validate) -> list[pa.Check]:
    """The check of the adopted range, if the contract has one."""
    if column.min is None or column.max is None:
        return []
    return [_range_check(column.min, column.max, params.max_out_of_range)]


def _range_check(low: float, high: float, allowed: float) -> pa.Check:
    """Values outside are failures only where more than the allowed share of them is."""
    import pandera.pandas as pa

    def few_are_outside(values: pd.Series) -> pd.Series:
        outside = (values < low) | (values > high)
        return ~outside if outside.sum() > allowed * len(values) else outside | ~outside

    return pa.Check(few_are_outside, error=f"lies beyond {low:g} to {high:g}")


def _target_checks(contract: Contract) -> list[pa.Check]:
    import pandera.pandas as pa

    if contract.is_classification:
        return [
            pa.Check.isin(contract.target.classes, error="is not one of the contract's classes")
        ]
    return [_float32_check()]


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
    wanted = cases[["column", "check", "failure_case", "index"]]
    for column, check, value, row in wanted.itertuples(index=False):
        reasons.setdefault(int(row), f'column "{column}": {str(value)[:60]} {_problem(check)}')
    return reasons


def _failure_cases(frame: pd.DataFrame, demanded: pa.DataFrameSchema) -> pd.DataFrame | None:
    import pandera.errors

    with warnings.catch_warnings():  # of pandas, which pandera causes
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
    value = first["failure_case"]
    if check == "column_in_dataframe":
        return {"column": value, "problem": "is not in the table", "rows": len(rows)}
    return {
        "column": column,
        "problem": _problem(check),
        "rows": len(rows),
        "first": None if check == "not_nullable" else printable(str(value)),
        "row": int(first["index"]),
    }


def _problem(check: object) -> str:
    return "is missing" if check == "not_nullable" else str(check)


def refuse(breaks: list[dict[str, Any]], rows: int, table: str, report: str = "") -> None:
    """Raise a `UserError` on the first finding; without findings nothing happens."""
    if not breaks:
        return
    first = breaks[0]
    more = f" ({len(breaks) - 1} more in {report})" if report and len(breaks) > 1 else ""
    raise UserError(
        f'{table}: column "{first["column"]}": {first["rows"]} of {rows} values:'
        f" {first['problem']}{_first_value(first)}{more}",
        f'correct the data, or what contract.yaml says of "{first["column"]}", then `make flow`',
    )


def _first_value(finding: dict[str, Any]) -> str:
    if finding.get("first") is None:
        return ""
    return f", first: '{finding['first']}' in row {finding['row']}"

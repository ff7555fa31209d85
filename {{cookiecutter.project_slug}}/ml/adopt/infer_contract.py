"""A table of texts → its contract: the target, every column's kind, time, id, and all doubts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import BaseModel

from ml.adopt import leakage
from ml.adopt.columns import name_hints
from ml.adopt.columns.infer import infer_column, missing_texts
from ml.adopt.columns.inferred import InferredColumn
from ml.adopt.columns.target import InferredTarget, infer_target
from ml.contract import Column, Contract, Datetime, Dropped, NumberFormat, Source, Target, Task
from ml.dataset.parser import Texts, numbers, texts_of
from ml.dataset.typed import type_texts
from ml.encode import features_of
from ml.errors import UserError, closest
from ml.progress import Advance

MIN_ROWS = 20  # fewer cannot be split and judged
MAX_MISSING_IDS = 0.01  # of the rows: a column with more gaps identifies nothing

Described = TypeVar("Described", bound=BaseModel)


@dataclass(frozen=True)
class Request:
    """What a person said about the table."""

    target: str
    time: str | None = None
    id: str | None = None
    drop: tuple[str, ...] = ()
    task: Task | None = None
    names: tuple[str, ...] = ()
    encoding: str = ""  # of the text files; empty: from their bytes
    max_bytes: int | None = None  # of the table, unpacked; None: the limits of ml.adopt.source.size
    matures_after: str = "0"  # how long an outcome can still change


@dataclass(frozen=True)
class Adopted:
    """The contract and how it came to be."""

    contract: Contract
    target: InferredTarget
    columns: list[InferredColumn]  # in the order of the file, without the target
    rows: int
    remarks: tuple[str, ...] = ()  # doubts that belong to no single column
    suspects: tuple[str, ...] = ()  # columns that may be leaks, in the order of the file

    @property
    def doubts(self) -> dict[str, list[str]]:
        """Column → doubts, as comments for contract.yaml."""
        kept = {c.name: list(c.doubts) for c in self.columns if c.column}
        of_target = {self.target.target.name: list(self.target.doubts)}
        return {name: doubts for name, doubts in (kept | of_target).items() if doubts}


def infer_contract(
    path: str,
    texts: pyarrow.Table,
    source: Source,
    request: Request,
    advance: Advance = lambda _: None,
) -> Adopted:
    """The contract of a table of texts.

    Args:
        path: of the file, for messages.
        texts: one column of text for each name (or typed ones, from Parquet).
        source: how the file is written.
        request: what a person said.
        advance: is called after each column but the target.

    Raises:
        UserError: a name that is not there, too few rows, a target that cannot be learned, no
            column left.
    """
    _check_roles(path, texts.column_names, _roles(request))
    _check_rows(path, texts.num_rows)
    target_texts = texts_of(texts[request.target])
    target = infer_target(path, request.target, target_texts, request.task)
    _check_rows(path, texts.num_rows - target.unlearnable)
    columns, codes = _columns(texts, request, advance)
    contract = _contract(path, source, request, target, columns, texts.num_rows)
    warnings, joint_leaks = _leaks(path, texts, contract, columns)
    repeats = leakage.duplicates([target_texts.codes, *codes], contract)
    remarks = filter(None, [repeats, leakage.ignored_time(contract)])
    return Adopted(
        contract=contract,
        target=target,
        columns=[_warned(column, warnings) for column in columns],
        rows=texts.num_rows,
        remarks=(*remarks, *map(leakage.joint_warning, joint_leaks)),
        suspects=_suspects(contract, {*warnings, *chain(*joint_leaks)}),
    )


def _suspects(contract: Contract, warned: set[str]) -> tuple[str, ...]:
    """The features among the columns that a warning names; an identifier may be there too."""
    return tuple(name for name in contract.names if name in warned)


def _warned(column: InferredColumn, warnings: dict[str, str]) -> InferredColumn:
    return column.with_doubts(warnings[column.name]) if column.name in warnings else column


def _columns(
    texts: pyarrow.Table, request: Request, advance: Advance
) -> tuple[list[InferredColumn], list[NDArray[np.int32]]]:
    """The verdict on each column but the target, and the codes of those that are features.

    Codes: see `Texts`.
    """
    columns, codes = [], []
    names = [name for name in texts.column_names if name != request.target]
    for name in names:
        column, read = _column(name, texts, request)
        columns.append(column)
        codes += [read.codes] if read and column.column else []
        advance(1)
    return columns, codes


def _check_rows(path: str, rows: int) -> None:
    if rows < MIN_ROWS:
        raise UserError(
            f"{path}: {rows} rows with a target are too few to hold some out",
            f"give at least {MIN_ROWS}",
        )


def _column(
    name: str, texts: pyarrow.Table, request: Request
) -> tuple[InferredColumn, Texts | None]:
    if name == request.id:
        return InferredColumn(name, None, reason="identifier, as named", is_id=True), None
    reason = _reason_to_drop(name, texts, request)
    if reason:
        return InferredColumn(name, None, reason=reason), None
    read = texts_of(texts[name])
    inferred = infer_column(name, read, is_time=name == request.time)
    return _without_parts(inferred) if name in request.drop else inferred, read


def _without_parts(time: InferredColumn) -> InferredColumn:
    """The time column of a person who wants it dropped: it orders the rows and is no feature."""
    if not isinstance(time.column, Datetime):
        return time
    return replace(time, column=time.column.model_copy(update={"parts": ()}))


def _reason_to_drop(name: str, texts: pyarrow.Table, request: Request) -> str:
    """Why a column is dropped before its values are looked at; empty: it is not."""
    if name in request.drop and name != request.time:
        return "dropped on request"
    return "it holds lists or records" if pyarrow.types.is_nested(texts[name].type) else ""


def _contract(
    path: str,
    source: Source,
    request: Request,
    target: InferredTarget,
    columns: list[InferredColumn],
    rows: int,
) -> Contract:
    identifier = request.id or _clear_id(columns, rows)
    return Contract(
        target=_maturing(_with_blanks(target.target, target.blanks), request),
        time=_time(path, request, columns),
        id=identifier,
        source=source,
        columns=_features(path, columns),
        dropped=_dropped(columns, identifier),
    )


def _maturing(target: Target, request: Request) -> Target:
    return target.model_copy(update={"matures_after": request.matures_after})


def _features(path: str, columns: list[InferredColumn]) -> tuple[Column, ...]:
    """The columns that a row keeps, at least one of which the model sees."""
    kept = tuple(_with_blanks(c.column, c.blanks) for c in columns if c.column)
    if not any(features_of(column) for column in kept):
        raise UserError(
            f"{path}: no column is left to predict from", "give a table with more columns"
        )
    return kept


def _dropped(columns: list[InferredColumn], identifier: str | None) -> tuple[Dropped, ...]:
    absent = [c for c in columns if c.column is None and c.name != identifier]
    return tuple(Dropped(name=c.name, reason=c.reason) for c in absent)


def _with_blanks(column: Described, blanks: Iterable[str]) -> Described:
    """The column (or target) with the texts that mean missing in it."""
    return column.model_copy(update={"missing_texts": missing_texts(blanks)})


def _leaks(
    path: str, texts: pyarrow.Table, contract: Contract, columns: list[InferredColumn]
) -> tuple[dict[str, str], list[list[str]]]:
    """Warnings by column, and the columns that leak together."""
    sample = _sample(texts)
    part = type_texts(path, sample, contract)
    if part.table.num_rows < leakage.MIN_ROWS:
        return {}, []
    halves = leakage.Halves(contract, part.table)
    warnings = leakage.single_leaks(halves)
    for name in [c.name for c in columns if c.is_id and c.column is None]:
        identifiers = _as_numbers(sample[name].filter(part.kept))
        warnings |= leakage.ordering_leak(halves, name, identifiers)
    return warnings, leakage.joint_leaks(halves, contract, set(warnings))


def _sample(texts: pyarrow.Table) -> pyarrow.Table:
    """Rows at equal distances, as many as the search for leaks looks at."""
    n = texts.num_rows
    rows = np.linspace(0, n - 1, min(n, leakage.SAMPLE)).astype(np.int64)
    return texts.take(pyarrow.array(rows))


def _as_numbers(column: pyarrow.ChunkedArray) -> NDArray[np.float64]:
    read = texts_of(column)
    values = numbers(read.distinct, NumberFormat()).to_numpy(zero_copy_only=False)
    return np.append(values, np.nan)[read.codes]


def _time(path: str, request: Request, columns: list[InferredColumn]) -> str | None:
    if request.time is None:
        return None
    inferred = next(c for c in columns if c.name == request.time)
    if not isinstance(inferred.column, Datetime):
        raise UserError(
            f'{path}: time "{request.time}" does not hold moments',
            "write them as 2026-01-31 or leave TIME out",
        )
    return request.time


def _clear_id(columns: list[InferredColumn], rows: int) -> str | None:
    """The identifier, where one is clear: what a row is about, else what is unique and named so.

    Rows about the same thing stay on one side of the split.
    """
    ids = [c.name for c in columns if c.is_id and c.missing <= MAX_MISSING_IDS * rows]
    about = [name for name in ids if name_hints.is_entity(name)]
    named = [name for name in ids if name_hints.is_id(name)]
    return next((listed[0] for listed in (about, named, ids) if len(listed) == 1), None)


def _check_roles(path: str, columns: list[str], roles: list[tuple[str, str]]) -> None:
    """Every column that a person named is there, and has one role.

    The time column alone may be dropped as well: see `_without_parts`.
    """
    for option, name in roles:
        _check_name(path, option, name, columns)
        options = dict.fromkeys(other for other, same in roles if same == name)
        if len(options) > 1 and set(options) != {"TIME", "DROP"}:
            raise UserError(
                f'{path}: column "{name}" is given as {" and ".join(options)}', "give it one role"
            )


def _check_name(path: str, option: str, name: str, columns: list[str]) -> None:
    if name not in columns:
        near = ", ".join(closest(name, columns, 3) or columns[:8])
        raise UserError(
            f'{path}: {option} "{name}" is not among its columns', f"{option}= one of {near}"
        )


def _roles(request: Request) -> list[tuple[str, str]]:
    """Option and name of every column that a person named."""
    roles = [("TARGET", request.target), ("TIME", request.time), ("ID", request.id)]
    roles += [("DROP", name) for name in request.drop]
    return [(option, name) for option, name in roles if name is not None]

"""A table of texts → its contract: the target, every column's kind, time, id, and all doubts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import BaseModel

from ml.adopt import leakage
from ml.adopt.columns import name_hints
from ml.adopt.columns.infer import infer, missing_texts
from ml.adopt.columns.inferred import Found
from ml.adopt.columns.target import FoundTarget, infer_target
from ml.contract import Contract, Datetime, Dropped, NumberFormat, Source, Task
from ml.dataset.parser import Texts, numbers, texts_of
from ml.dataset.typed import type_texts
from ml.encode import features_of
from ml.errors import UserError, closest

MIN_ROWS = 20  # fewer cannot be split and judged

Track = Callable[..., Iterable[str]]
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


@dataclass(frozen=True)
class Adopted:
    """The contract and how it came to be."""

    contract: Contract
    target: FoundTarget
    found: list[Found]
    rows: int
    remarks: tuple[str, ...] = ()  # doubts that belong to no single column

    @property
    def doubts(self) -> dict[str, list[str]]:
        """Column → remarks for contract.yaml."""
        made = {f.name: list(f.doubts) for f in self.found if f.doubts and f.column}
        return made | (
            {self.target.target.name: list(self.target.doubts)} if self.target.doubts else {}
        )


def _plainly(names: Sequence[str], **_how: Any) -> Iterable[str]:
    return names


def understand(
    path: str, texts: pyarrow.Table, source: Source, request: Request, track: Track = _plainly
) -> Adopted:
    """The contract of a table of texts.

    Args:
        path: of the file, for messages.
        texts: one column of text for each name (or typed ones, from Parquet).
        source: how the file is written.
        request: what a person said.
        track: shows progress over the columns.

    Raises:
        UserError: a name that is not there, too few rows, a target that cannot be learned, no
            column left.
    """
    _check_names(path, texts.column_names, request)
    _check_rows(path, texts.num_rows)
    read_target = texts_of(texts[request.target])
    target = infer_target(path, request.target, read_target, request.task)
    _check_rows(path, texts.num_rows - target.missing)
    found, codes = _columns(texts, request, track)
    contract = _contract(path, source, request, target, found, texts.num_rows)
    warnings, together = _suspicions(path, texts, contract, found)
    repeats = leakage.duplicates([read_target.codes, *codes], contract)
    remarks = [repeats, leakage.ignored_time(contract), together]
    found = [f.doubted(warnings[f.name]) if f.name in warnings else f for f in found]
    return Adopted(contract, target, found, texts.num_rows, tuple(r for r in remarks if r))


def _columns(
    texts: pyarrow.Table, request: Request, track: Track
) -> tuple[list[Found], list[NDArray[np.int32]]]:
    """The verdict on each column but the target, and the codes of those that are features.

    Codes: see `Texts`.
    """
    found, codes = [], []
    names = [name for name in texts.column_names if name != request.target]
    for name in track(names, description="columns"):
        column, read = _column(name, texts, request)
        found.append(column)
        codes += [read.codes] if read and column.column else []
    return found, codes


def _check_rows(path: str, rows: int) -> None:
    if rows < MIN_ROWS:
        raise UserError(
            f"{path}: {rows} rows with a target are too few to hold some out",
            f"give at least {MIN_ROWS}",
        )


def _column(name: str, texts: pyarrow.Table, request: Request) -> tuple[Found, Texts | None]:
    if name in request.drop:
        return Found(name, None, reason="dropped on request"), None
    if name == request.id:
        return Found(name, None, reason="identifier, as named", is_id=True), None
    if pyarrow.types.is_nested(texts[name].type):
        return Found(name, None, reason="it holds lists or records"), None
    read = texts_of(texts[name])
    return infer(name, read, is_time=name == request.time), read


def _contract(
    path: str, source: Source, request: Request, target: FoundTarget, found: list[Found], rows: int
) -> Contract:
    columns = tuple(_with_blanks(f.column, f.blanks) for f in found if f.column)
    if not any(features_of(column) for column in columns):
        raise UserError(
            f"{path}: no column is left to predict from", "give a table with more columns"
        )
    identifier = request.id or _clear_id(found, rows)
    dropped = [f for f in found if f.column is None and f.name != identifier]
    return Contract(
        target=_with_blanks(target.target, target.blanks),
        time=_time(path, request, found),
        id=identifier,
        source=source,
        columns=columns,
        dropped=tuple(Dropped(name=f.name, reason=f.reason) for f in dropped),
    )


def _with_blanks(column: Described, blanks: Iterable[str]) -> Described:
    """The column (or target) with the texts that mean missing in it."""
    return column.model_copy(update={"missing_texts": missing_texts(blanks)})


def _suspicions(
    path: str, texts: pyarrow.Table, contract: Contract, found: list[Found]
) -> tuple[dict[str, str], str | None]:
    """Leaks: warnings by column, and a remark on columns that leak together."""
    rows = np.linspace(0, texts.num_rows - 1, min(texts.num_rows, leakage.SAMPLE)).astype(np.int64)
    sample = texts.take(pyarrow.array(rows))
    part = type_texts(path, sample, contract)
    if part.table.num_rows < leakage.MIN_ROWS:
        return {}, None
    halves = leakage.Halves(contract, part.table)
    warnings = leakage.alone(halves)
    for name in [f.name for f in found if f.is_id and f.column is None]:
        identifiers = _as_numbers(sample[name].filter(part.kept))
        warnings |= leakage.ordering(halves, name, identifiers)
    return warnings, leakage.together(halves, contract, set(warnings))


def _as_numbers(column: pyarrow.ChunkedArray) -> NDArray[np.float64]:
    read = texts_of(column)
    values = numbers(read.distinct, NumberFormat()).to_numpy(zero_copy_only=False)
    return np.append(values, np.nan)[read.codes]


def _time(path: str, request: Request, found: list[Found]) -> str | None:
    if request.time is None:
        return None
    column = next(f for f in found if f.name == request.time)
    if not isinstance(column.column, Datetime):
        raise UserError(
            f'{path}: time "{request.time}" does not hold moments',
            "write them as 2026-01-31 or leave TIME out",
        )
    return request.time


def _clear_id(found: list[Found], rows: int) -> str | None:
    """The identifier, where one is clear: what a row is about, else what is unique and named so.

    Rows about the same thing stay on one side of the split.
    """
    ids = [f.name for f in found if f.is_id and f.missing <= 0.01 * rows]
    about = [name for name in ids if name_hints.is_entity(name)]
    named = [name for name in ids if name_hints.is_id(name)]
    return next((listed[0] for listed in (about, named, ids) if len(listed) == 1), None)


def _check_names(path: str, columns: list[str], request: Request) -> None:
    given = _roles(request)
    for option, name in given:
        if name not in columns:
            near = ", ".join(closest(name, columns, 3) or columns[:8])
            raise UserError(
                f'{path}: {option} "{name}" is not among its columns', f"{option}= one of {near}"
            )
        both = [other for other, same in given if same == name]
        if len(set(both)) > 1:
            raise UserError(
                f'{path}: column "{name}" is given as {" and ".join(both)}', "give it one role"
            )


def _roles(request: Request) -> list[tuple[str, str]]:
    """Option and name of every column that a person named."""
    roles = [("TARGET", request.target), ("TIME", request.time), ("ID", request.id)]
    roles += [("DROP", name) for name in request.drop]
    return [(option, name) for option, name in roles if name is not None]

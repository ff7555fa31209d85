"""A file's columns of text become the types that the contract names; another value is an error.

Rows whose target is missing, or of a class that is set aside, are left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.contract import JOURNALED, Categorical, Column, Contract, Numeric, Source, Target, Text
from ml.dataset.csv_file import Watch, line_of_record
from ml.dataset.parser import (
    Parsed,
    Texts,
    is_among,
    parse,
    parse_served,
    parse_texts,
    texts_of,
)
from ml.dataset.reader import is_parquet, read_texts, text_batches
from ml.errors import UserError, closest, listing

Read = Callable[[pa.ChunkedArray, Column], Parsed]  # one column of a part
# kind of a column → its type in a table; numbers are float64
TYPES = {
    "boolean": pa.bool_(),
    "categorical": pa.string(),
    "datetime": pa.timestamp("us"),
    "text": pa.string(),
}
# kind of a column → its values, in an error; levels and texts are never unreadable
PLURALS = {
    "numeric": "numbers",
    "integer": "whole numbers",
    "boolean": "yes or no",
    "datetime": "moments",
}


@dataclass(frozen=True)
class Part:
    """One file of data/raw, typed.

    Rows whose target is missing or of a set-aside class are no longer in it.
    """

    name: str
    table: pa.Table
    kept: pa.ChunkedArray  # which of the rows read those are
    rows_read: int
    without_target: int
    of_rare_class: int


def read_typed(path: Path, contract: Contract, watch: Watch | None = None) -> Part:
    """One file as a typed table: feature columns in contract order, the target, the id.

    Raises:
        UserError: unreadable, a column vanished or new, a value that is not of its column's kind.
    """
    texts = read_texts(path, contract.source, watch)
    check_columns(path, texts.column_names, contract)
    served = is_parquet(path) and contract.added(JOURNALED) in texts.column_names
    return type_texts(path, texts, contract, served=served)


def typed_batches(path: Path, contract: Contract, watch: Watch | None = None) -> Iterator[Part]:
    """One file as typed tables of some rows each, in order: see `read_typed`."""
    for texts in text_batches(path, contract.source, watch):
        check_columns(path, texts.column_names, contract)
        served = is_parquet(path) and contract.added(JOURNALED) in texts.column_names
        try:
            yield type_texts(path, texts, contract, served=served)
        except UserError:
            read_typed(path, contract)  # counts what is wrong in the whole file, and refuses it
            raise


def typed_schema(names: Collection[str], contract: Contract) -> pa.Schema:
    """The columns of typed tables whose files have these names."""
    added = (contract.id, contract.added(JOURNALED))
    types = {c.name: TYPES.get(c.kind, pa.float64()) for c in contract.columns}
    types[contract.target.name] = pa.string() if contract.is_classification else pa.float64()
    return pa.schema(types | {name: pa.string() for name in added if name and name in names})


def with_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A typed table with all of a schema's columns; those that its file lacks are null."""
    nulls = {field.name: pa.nulls(table.num_rows, field.type) for field in schema}
    columns = nulls | dict(zip(table.column_names, table.columns, strict=True))
    return pa.table(columns, schema=schema)


def type_texts(
    path: Path | str, texts: pa.Table, contract: Contract, *, served: bool = False
) -> Part:
    """The columns of a table of texts as the contract's types.

    Args:
        path: where the table comes from.
        texts: its columns.
        contract: what they are.
        served: the values are those of requests (see `ml.loop.retrain`), not written as the
            contract's source says.

    Raises:
        UserError: a value that is not of its column's kind.
    """
    path = Path(path)
    read: Read = parse_served if served else partial(parse, missing=contract.source.missing)
    columns = {c.name: _read(path, texts, c, contract, read) for c in contract.columns}
    columns[contract.target.name] = _read_target(path, texts, contract, read)
    columns |= _identifiers(texts, contract.id)
    columns |= _identifiers(texts, contract.added(JOURNALED))
    return _with_targets(path.name, pa.table(columns), contract.target)


def _identifiers(texts: pa.Table, name: str | None) -> dict[str, pa.Array]:
    """A column that identifies rows, where the part has it."""
    return {name: trimmed_texts(texts[name])} if name and name in texts.column_names else {}


def _with_targets(name: str, table: pa.Table, target: Target) -> Part:
    """The rows whose target can be learned from, and how many the others are."""
    values = table[target.name]
    rare = is_among(values, target.set_aside)
    kept = pc.and_(values.is_valid(), pc.invert(rare))
    return Part(
        name=name,
        table=table.filter(kept),
        kept=kept,
        rows_read=table.num_rows,
        without_target=values.null_count,
        of_rare_class=pc.sum(rare).as_py() or 0,
    )


def trimmed_texts(column: pa.ChunkedArray) -> pa.Array:
    """A column's trimmed texts, empty ones null.

    Whole numbers without the `.0` that gaps give them.
    """
    read = texts_of(column)
    short = pc.replace_substring_regex(read.distinct, r"^(\d+)\.0$", r"\1")
    return parse_texts(Texts(short, read.codes), Text(kind="text", name=""), ()).values


def check_columns(path: Path, names: list[str], contract: Contract) -> None:
    """Refuse a part that lacks a column of the contract or has one that is not in it."""
    present = set(names)
    for name in [*contract.names, contract.target.name]:
        if name not in present:
            raise UserError(
                f'{path}: column "{name}" of contract.yaml is not in it{_near(name, names)}',
                _choose(path),
            )
    known = _known_names(contract)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(
            f"{path}: contract.yaml does not know its column {listing(unknown)}", _choose(path)
        )


def _known_names(contract: Contract) -> set[str | None]:
    """Every name that a part may hold."""
    dropped = (column.name for column in contract.dropped)
    journaled = contract.added(JOURNALED)
    return {*contract.names, contract.target.name, contract.id, journaled, *dropped}


def _near(name: str, names: list[str]) -> str:
    near = closest(name, names)
    return f' (the nearest is "{near[0]}")' if near else ""


def _choose(path: Path) -> str:
    return f"mend {path}, or change contract.yaml (columns, dropped), then `make flow`"


def _read(path: Path, texts: pa.Table, column: Column, contract: Contract, read: Read) -> pa.Array:
    parsed = read(texts[column.name], column)
    if len(parsed.bad):
        raise _unreadable(path, column.name, column.kind, parsed, contract)
    return parsed.values


def _read_target(path: Path, texts: pa.Table, contract: Contract, read: Read) -> pa.Array:
    target, spec = contract.target, _target_column(contract.target)
    parsed = read(texts[target.name], spec)
    kind = "numeric"
    if isinstance(spec, Categorical):
        parsed, kind = _classes(parsed, spec, target), "class"
    if len(parsed.bad):
        raise _unreadable(path, target.name, kind, parsed, contract)
    return parsed.values


def _target_column(target: Target) -> Categorical | Numeric:
    """The target as a column: classes are levels, in any spelling."""
    name, missing = target.name, target.missing_texts
    if target.task == "regression":
        return Numeric(kind="numeric", name=name, format=target.format, missing_texts=missing)
    spellings = (*target.classes, *target.set_aside, *target.aliases)
    return Categorical(kind="categorical", name=name, levels=spellings, missing_texts=missing)


def _classes(parsed: Parsed, spec: Categorical, target: Target) -> Parsed:
    """Other spellings replaced by the class they mean; a text that is none is bad."""
    values = parsed.values
    bad = _rows_of_no_class(values, spec.levels)
    for other, meant in target.aliases.items():
        values = pc.if_else(pc.equal(values, other), meant, values)
    return Parsed(values, bad, values[int(bad[0])].as_py() if len(bad) else "")


def _rows_of_no_class(values: pa.Array, spellings: tuple[str, ...]) -> NDArray[np.int64]:
    unknown = pc.and_not(values.is_valid(), is_among(values, spellings))
    return np.flatnonzero(unknown.to_numpy(zero_copy_only=False))


def _unreadable(path: Path, name: str, kind: str, parsed: Parsed, contract: Contract) -> UserError:
    expected = PLURALS.get(kind, f"among the classes {', '.join(contract.target.classes[:8])}")
    where = _position(path, int(parsed.bad[0]), contract.source)
    return UserError(
        f'{path}: column "{name}": {len(parsed.bad)} of {len(parsed.values)} values are not'
        f" {expected} as contract.yaml has them written"
        f' (first: "{parsed.bad_text[:60]}" at {where})',
        f'mend {path}, or in contract.yaml the column "{name}" (its missing_texts, if this text'
        " means missing), then `make flow`",
    )


def _position(path: Path, row: int, source: Source) -> str:
    """Where a person finds a row, which is counted from 0."""
    if is_parquet(path):
        return f"row {row + 1}"
    return f"line {line_of_record(path, source, row + 1 + (not source.names))}"

"""Outcomes by prediction id: from a file (`ml label outcomes.csv`) or over `POST /labels`.

Reads: CSV with the columns prediction_id and outcome, or JSON lines with these keys. Writes: the
journal's labels. Late, repeated and corrected labels are fine: the latest holds. Unknown ids are
counted and kept.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ml.contract import FLOAT32_MAX, MAX_LEVEL_LENGTH, Contract, Target, load_contract
from ml.errors import UserError, display_value, listing
from ml.journal.store import Journal, JournalError
from ml.request_schema.objects import NO_NUL, ObjectSchema

KEYS = ("prediction_id", "outcome")
MAX_LABELS = 100_000  # in one request

Label = tuple[str, Any]


class LabelSchema(ObjectSchema):
    """The bodies of `POST /labels`: what became of a prediction, one or an array."""

    item, items, item_is = "label", "labels", "with prediction_id and outcome"

    def __init__(self) -> None:
        prediction_id = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
        outcome = Annotated[str, Field(max_length=MAX_LEVEL_LENGTH)] | float | bool
        super().__init__({"prediction_id": prediction_id, "outcome": outcome}, (), MAX_LABELS)

    def _allowed(self, name: str) -> str:
        if name == "outcome":
            return f"a class of the target (at most {MAX_LEVEL_LENGTH} characters), or a number"
        return "a text of 1 to 200 characters"


def outcome_of(value: Any, target: Target) -> Any:
    """The outcome as the journal keeps it: a class of the contract, or a finite number.

    A class may be spelled in each way that the contract lists. One that was set aside for its few
    rows is true nevertheless: it is kept, as something the model cannot answer.

    Raises:
        ValueError: it is neither; the message says what is allowed.
    """
    if target.task != "regression":
        name = _class_name(value, target)
        if name in target.classes or name in target.set_aside:
            return name
        raise ValueError(f"{display_value(value)} is not one of {listing(target.classes)}")
    if not _is_finite_number(value):
        raise ValueError(f"{display_value(value)} is not a finite number")
    return float(value)


def _is_finite_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= FLOAT32_MAX


def _class_name(value: Any, target: Target) -> str:
    if isinstance(value, bool):
        name = _spelled_as(json.dumps(value), target)
    elif isinstance(value, float) and value.is_integer():
        name = str(int(value))  # class "1" as 1.0, which a column with gaps makes of it
    else:
        name = value.strip() if isinstance(value, str) else json.dumps(value)
    return target.aliases.get(name, name)


def _spelled_as(text: str, target: Target) -> str:
    """The class or alias that is this text but for its case; else the text: no class."""
    spellings = (*target.classes, *target.aliases)
    return next((name for name in spellings if name.casefold() == text), text)


def label_file(path: Path) -> None:
    """Record the outcomes of a file, all or none.

    Raises:
        UserError: the file is missing, of another form, or holds an outcome that the contract does
            not know.
    """
    contract = load_contract()
    with closing(_read(path)) as rows:
        labels = list(_checked(rows, contract, path))
    try:
        with closing(Journal()) as journal:
            recorded, unknown = journal.add_labels(labels)
    except JournalError as error:
        raise UserError(f"{path}: not recorded: {error}", f"ml label {path}") from None
    of_unknown = f", {unknown} of them of unknown predictions" if unknown else ""
    print(f"{path}: {recorded} labels recorded{of_unknown}\nnext: ml monitor")


def _checked(
    rows: Iterable[tuple[int, dict[str, Any]]], contract: Contract, path: Path
) -> Iterator[Label]:
    for line, row in rows:
        for key in KEYS:
            if row.get(key) in (None, ""):
                raise _bad(path, line, f"{key} is missing")
        value = _of_text(row["outcome"], contract, path)
        try:
            yield str(row["prediction_id"]), outcome_of(value, contract.target)
        except ValueError as error:
            raise _bad(path, line, f"outcome {error}") from None


def _of_text(value: Any, contract: Contract, path: Path) -> Any:
    if path.suffix != ".csv" or contract.is_classification:
        return value
    try:
        return float(value)  # a CSV knows only texts
    except ValueError:
        return value


def _read(path: Path) -> Generator[tuple[int, dict[str, Any]]]:
    readers = {".csv": _read_csv, ".jsonl": _read_lines, ".ndjson": _read_lines}
    if path.suffix not in readers:
        raise UserError(
            f"{path}: labels are read from .csv and .jsonl files",
            f"ml label {path.with_suffix('.csv')}",
        )
    if not path.is_file():
        raise UserError(f"{path}: no such file", "ml label outcomes.csv")
    yield from readers[path.suffix](path)


def _read_csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        _check_columns(path, reader.fieldnames or [])
        for row in reader:
            yield reader.line_num, row


def _check_columns(path: Path, names: Sequence[str]) -> None:
    for key in KEYS:
        if key not in names:
            raise _bad(path, 1, f"there is no column {key}; there are: {listing(names)}")


def _read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            row = _object(line)
            if row is None:
                raise _bad(path, number, "not a JSON object")
            yield number, row


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _bad(path: Path, line: int, what: str) -> UserError:
    return UserError(
        f"{path}: line {line}: {what}",
        f"mend {path} and repeat `ml label {path}`; nothing was recorded",
    )

"""What a row is: columns, kinds, ranges, levels, target, time and id. The one truth of the project.

`ml adopt` writes `contract.yaml` once; people read and correct it; git versions it. Validation, the
API's types, the encoder and the monitor all follow it. This module is imported by the server, so it
knows neither pandas nor scikit-learn.

Reads and writes: contract.yaml (YAML 1.2, so that No stays a word), contract.json inside a bundle.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from ml.errors import UserError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTRACT = Path("contract.yaml")
# what a part written by `ml retrain` carries besides the contract's columns (see `Contract.added`)
JOURNALED = "prediction_id"
FLOAT32_MAX = 3.4e38  # the encoder's numbers are float32: what exceeds this cannot be told apart
# characters of one text: some pages; longer ones are documents, not a table's cells
MAX_TEXT_LENGTH = 10_000
# characters of one category level: every level is stored in the contract and in reports
MAX_LEVEL_LENGTH = 200

# seconds of the units in which a duration is written
_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(rf"0|[0-9]{{1,6}}(?:\.[0-9]{{1,3}})?[{''.join(_UNITS)}]")

Task = Literal["binary", "multiclass", "regression"]
DatePart = Literal["days", "year", "month", "day", "weekday", "hour", "minute"]


def seconds_of(duration: str) -> float:
    """The seconds of a duration as contract.yaml has it: `0`, `30d`, `12h`.

    Raises:
        ValueError: it is none; the message says how one is written.
    """
    if not _DURATION.fullmatch(duration):
        raise ValueError(
            "a duration is 0, or a number and w, d, h, m or s: weeks, days, hours, minutes, "
            "seconds, such as 30d or 12h"
        )
    return 0.0 if duration == "0" else float(duration[:-1]) * _UNITS[duration[-1]]


def _as_text(value: object) -> object:
    """YAML reads `0` as a number."""
    return "0" if value == 0 and not isinstance(value, bool) else value


def _is_duration(value: str) -> str:
    seconds_of(value)
    return value


Duration = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_duration)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberFormat(_Frozen):
    """How a number is written in the file.

    Only `ml.pipeline.ingest` looks at it: requests carry JSON numbers.
    """

    decimal: str = "."  # the decimal mark
    thousands: str = ""  # the thousands separator, empty: none
    strip: tuple[str, ...] = ()  # texts cut from either end: currency and percent signs
    sentinels: tuple[float, ...] = ()  # numbers that mean missing, such as -999


class _Column(_Frozen):
    name: str
    missing: bool = False  # may a row leave it empty?
    # audit: kept with the data and with requests that have it, to compare groups by
    # (`fairness.columns`); never in the model's matrix, never asked for: it may always be missing
    use: Literal["feature", "audit"] = "feature"
    # what means missing in this column of a file, besides `source: missing`
    missing_texts: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _audit_may_be_missing(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("use") == "audit":
            return {**values, "missing": True}
        return values


class Numeric(_Column):
    """A measured number.

    `min` and `max` are what the adopted data held: the monitor's range, no hard limit.
    """

    kind: Literal["numeric"]
    min: float | None = None
    max: float | None = None
    format: NumberFormat = NumberFormat()


class Integer(_Column):
    """A count; fractions are refused."""

    kind: Literal["integer"]
    min: float | None = None
    max: float | None = None
    format: NumberFormat = NumberFormat()


class Boolean(_Column):
    """True or false.

    `true` and `false` list the spellings in the file; requests carry JSON booleans.
    """

    kind: Literal["boolean"]
    true: tuple[str, ...] = ("true",)
    false: tuple[str, ...] = ("false",)


class Categorical(_Column):
    """One of `levels`; another level is refused, or pooled with all others that are not listed."""

    kind: Literal["categorical"]
    levels: tuple[str, ...]
    unseen: Literal["refuse", "pool"] = "refuse"

    @model_validator(mode="after")
    def _levels_are_distinct(self) -> Categorical:
        if len(set(self.levels)) != len(self.levels):
            raise ValueError("levels: a level is listed twice")
        return self


class Datetime(_Column):
    """A moment; the model sees its `parts`, none of them: it is carried along and not a feature."""

    kind: Literal["datetime"]
    format: str = "ISO8601"  # strptime format of the file, or ISO8601, epoch_s, epoch_ms
    parts: tuple[DatePart, ...] = ()


class Text(_Column):
    """Free text, hashed word by word into `buckets` columns (0: not a feature)."""

    kind: Literal["text"]
    buckets: int = Field(default=0, ge=0, le=4096)


def max_length(column: Categorical | Text) -> int:
    """Characters of a text, or of a level that need not be listed; listed ones may be longer."""
    if isinstance(column, Text):
        return MAX_TEXT_LENGTH
    return max([MAX_LEVEL_LENGTH, *map(len, column.levels)])


Column = Annotated[
    Numeric | Integer | Boolean | Categorical | Datetime | Text, Field(discriminator="kind")
]


class Target(_Frozen):
    """What is predicted.

    `classes` are the spellings in the file; of two, the last is the positive one.
    """

    name: str
    task: Task
    classes: tuple[str, ...] = ()  # empty for a regression
    aliases: dict[str, str] = {}  # other spellings in the file → the class they mean
    # classes of too few rows to learn from: their rows are left out and counted
    set_aside: tuple[str, ...] = ()
    format: NumberFormat = NumberFormat()  # regression only: how the number is written
    missing_texts: tuple[str, ...] = ()  # what means missing here, besides `source: missing`
    # how long after the answer an outcome can still change: 0, 30d, 12h. Rows younger than that
    # count neither as quality nor as training data, whatever is known of them
    matures_after: Duration = "0"

    @model_validator(mode="after")
    def _classes_fit_task(self) -> Target:
        expected = {
            "binary": "two classes",
            "multiclass": "three classes or more",
            "regression": "no classes",
        }
        n = len(self.classes)
        fits = {"binary": n == 2, "multiclass": n >= 3, "regression": n == 0}[self.task]
        if not fits or len(set(self.classes)) != n:
            raise ValueError(
                f"a {self.task} target has {expected[self.task]}, all different; "
                f"here: {list(self.classes)}"
            )
        return self


class Source(_Frozen):
    """How the files under data/raw are written. Parquet needs none of it."""

    separator: str = ","
    encoding: str = "utf-8"
    # of the columns of a file whose first line is data; empty: that line names them
    names: tuple[str, ...] = ()
    # in every column
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")


class Dropped(_Frozen):
    """A column of the file that is not a feature, and why."""

    name: str
    reason: str


class Contract(_Frozen):
    """What a row is. Feature columns keep the order of the file; names are unique."""

    version: Literal[1] = 1
    target: Target
    time: str | None = None  # the datetime column that orders rows; it must be one of `columns`
    id: str | None = None  # identifies a row or a customer: kept for joining, never a feature
    source: Source = Source()
    columns: tuple[Column, ...] = Field(min_length=1)
    dropped: tuple[Dropped, ...] = ()

    @model_validator(mode="after")
    def _names_are_sound(self) -> Contract:
        names = [c.name for c in self.columns] + [self.target.name] + ([self.id] if self.id else [])
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        if self.time is not None and not isinstance(self.get(self.time), Datetime):
            raise ValueError(f'time: "{self.time}" is not a datetime column')
        if len(self.audited) == len(self.columns):
            raise ValueError("columns: all are `use: audit`, so the model has nothing to look at")
        if self.time in self.audited:
            raise ValueError(f'time: "{self.time}" orders the rows and cannot be `use: audit`')
        return self

    def get(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def names(self) -> list[str]:
        """Names of the columns that a request carries, in order: not the id and the target."""
        return [c.name for c in self.columns]

    @property
    def audited(self) -> list[str]:
        """Names of the columns that are kept and never used by the model."""
        return [c.name for c in self.columns if c.use == "audit"]

    def added(self, name: str, *others: str) -> str:
        """Name of a column that the project adds to rows.

        It is `name`, with `_` behind it while a column is called so.

        Args:
            name: the wanted name, such as `prediction`.
            others: names of the table at hand that the contract does not know.
        """
        taken = {*self.names, self.target.name, self.id, *(d.name for d in self.dropped), *others}
        return next(free for i in range(len(taken) + 1) if (free := name + "_" * i) not in taken)

    def ripe_before(self, moment: float) -> float:
        """The moment before which answers are ripe: their outcome can no longer change.

        Args:
            moment: now, unix seconds.
        """
        return moment - seconds_of(self.target.matures_after)

    @property
    def is_classification(self) -> bool:
        """Whether the target has classes."""
        return self.target.task != "regression"


def load_contract(path: Path = CONTRACT) -> Contract:
    """Read and check a contract file (.yaml or .json).

    Raises:
        UserError: the file is missing, is not YAML, or says something a contract cannot say.
    """
    if not path.is_file():
        raise UserError(
            f"{path}: there is no contract yet", "make adopt DATA=your.csv TARGET=column"
        )
    return _checked(_read_json(path) if path.suffix == ".json" else read_yaml(path), path)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # text that is not UTF-8 is a ValueError too
        raise UserError(f"{path}: not valid JSON: {error}", f"`git checkout {path}`") from None


def read_yaml(path: Path) -> Any:
    """The values of a YAML file that people edit (contract.yaml, params.yaml).

    Raises:
        UserError: it is not UTF-8 text, not YAML, or holds a date that does not exist.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    mend = f"mend {path} and repeat the command"
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}: line {line} is not UTF-8 text", f"save {path} as UTF-8") from None
    except (YAMLError, ValueError, RecursionError) as error:
        where = " ".join(str(error).split())
        raise UserError(f"{path}: not valid YAML: {where}", mend) from None


def _checked(values: Any, path: Path) -> Contract:
    try:
        return Contract.model_validate(values)
    except ValidationError as error:
        raise UserError(
            f"{path}: {_first_problem(error, values)}", f"mend {path}, or `git checkout {path}`"
        ) from None


def _first_problem(error: ValidationError, values: Any) -> str:
    problem = error.errors(include_url=False)[0]
    loc = list(problem["loc"])
    column = values["columns"][loc[1]] if loc[0:1] == ["columns"] and len(loc) > 1 else None
    if isinstance(column, dict):
        name = column.get("name", loc[1])
        return f'column "{name}": {_dotted(loc[3:])}{problem["msg"]}{_given(problem["input"])}'
    return f"{_dotted(loc)}{problem['msg']}{_given(problem['input'])}"


def _dotted(loc: Iterable[object]) -> str:
    joined = ".".join(str(part) for part in loc)
    return f"{joined}: " if joined else ""


def _given(value: object) -> str:
    return "" if isinstance(value, dict | list) else f" (given: {printable(repr(value))})"


def contract_json(contract: Contract) -> str:
    """The contract as canonical JSON: equal contracts give equal bytes."""
    return json.dumps(
        contract.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, indent=1
    )

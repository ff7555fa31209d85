"""The column to predict: its task, its classes in order, and targets that cannot be learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.adopt.columns import name_hints
from ml.adopt.columns.infer import FALSE, TRUE
from ml.adopt.columns.inferred import MIN_UNIQUE_ROWS, Values, quoted, stray_texts, values_of
from ml.adopt.columns.numbers import ReadNumbers, column_format, read_numbers
from ml.contract import MAX_LEVEL_LENGTH, NumberFormat, Target, Task
from ml.dataset.parser import Texts, numbers
from ml.errors import UserError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

MAX_CLASSES = 100
MAX_NUMBER_CLASSES = 10  # whole numbers with more different values than this are a quantity
MIN_CLASS_ROWS = 5  # a class with fewer cannot be learned and held out
OTHER = "give another TARGET"


@dataclass(frozen=True)
class InferredTarget:
    """The target and what a person should know about it."""

    target: Target
    missing: int
    doubts: tuple[str, ...]
    facts: str
    blanks: tuple[str, ...] = ()
    of_rare_class: int = 0  # rows of the classes that are set aside

    @property
    def unlearnable(self) -> int:
        """Rows that are left out: without a target, or of a class that is set aside."""
        return self.missing + self.of_rare_class


def infer_target(path: str, name: str, texts: Texts, task: Task | None) -> InferredTarget:
    """Task and classes from the target's values.

    Raises:
        UserError: no values, constant, all different, more classes than can be learned, no numbers
            for a regression.
    """
    where = f'{path}: target "{name}"'
    values, fmt = _values_and_format(name, texts)
    _refuse_constant(where, values)
    if not _is_regression(values, fmt, task):
        return _classes(where, values, task, is_number=fmt is not None)
    if fmt is None:
        raise UserError(
            f'{where}: no regression, its values are not numbers (first: "{_first_word(values)}")',
            "leave TASK out",
        )
    return _regression(where, read_numbers(values, fmt))


def _values_and_format(name: str, texts: Texts) -> tuple[Values, NumberFormat | None]:
    """The target's values and how its numbers are written; None: they are words.

    Among words None and NA may be classes, among numbers they mean missing.
    """
    values = values_of(name, texts)
    fmt = column_format(values)
    if fmt is not None:
        return values, fmt
    common = 0.02 * len(texts.codes)
    return values_of(
        name, texts, lambda text, rows: text.lower() in ("none", "na") and rows >= common
    ), None


def _is_regression(values: Values, fmt: NumberFormat | None, task: Task | None) -> bool:
    """As a person says, else by the values."""
    if task is None:
        return fmt is not None and _is_quantity(values, fmt)
    return task == "regression"


def _refuse_constant(where: str, values: Values) -> None:
    if values.present == 0:
        raise UserError(f"{where}: every value is missing", OTHER)
    if len(values.distinct) == 1:
        raise UserError(
            f'{where} is constant: always "{printable(values.distinct[0].as_py())}"', OTHER
        )


def _first_word(values: Values) -> str:
    plain = numbers(values.distinct, NumberFormat())
    words = values.distinct.filter(plain.is_null()) if plain.null_count else values.distinct
    return printable(words[0].as_py())


def _is_quantity(values: Values, fmt: NumberFormat) -> bool:
    """Whether the numbers measure or count something; two numbers, or a few often, are classes."""
    read = numbers(values.distinct, fmt).to_numpy(zero_copy_only=False)
    different = read[~np.isnan(read)]
    if len(different) <= 2:
        return False
    are_few = len(different) <= MAX_NUMBER_CLASSES and values.present >= 10 * len(different)
    are_codes = are_few and bool((different % 1 == 0).all())
    return not are_codes or name_hints.is_count(values.name)


def _regression(where: str, read: ReadNumbers) -> InferredTarget:
    values, present = read.values, read.present
    stray = stray_texts(values, read.wrong)
    if stray is None:
        raise _not_numbers(where, values, read.wrong)
    if len(present) == values.present >= MIN_UNIQUE_ROWS and _is_series(present):
        raise UserError(f"{where} is unique: every whole number once, a row number", OTHER)
    return InferredTarget(
        target=Target(name=values.name, task="regression", format=read.format),
        missing=read.missing,
        doubts=tuple(_regression_doubts(read, stray)),
        facts=f"{present.min():g} … {present.max():g}",
        blanks=(*values.blanks, *stray),
    )


def _regression_doubts(read: ReadNumbers, stray: tuple[str, ...]) -> list[str]:
    rows = read.values.rows_of(read.wrong)
    doubts = [f"{quoted(stray)}: {rows} rows set aside"] if stray else []
    doubts += read.sentinel_doubts()
    if len(read.present) <= 20 and read.is_whole:
        doubts.append("classes? then TASK=multiclass")
    return doubts + _set_aside(read.missing)


def _not_numbers(where: str, values: Values, wrong: NDArray[np.bool_]) -> UserError:
    odd = wrong & ~values.placeholders()
    first = values.distinct.filter(pa.array(odd))[0].as_py()
    return UserError(
        f'{where}: {values.rows_of(odd)} values are not numbers (first: "{printable(first)}")',
        "mend them, or " + OTHER,
    )


def _is_series(numbers: NDArray[np.float64]) -> bool:
    return set(np.diff(np.sort(numbers))) == {1.0}


def _set_aside(missing: int) -> list[str]:
    return [f"{missing} rows without it set aside"] if missing else []


def _classes(where: str, values: Values, task: Task | None, *, is_number: bool) -> InferredTarget:
    _refuse_long_class(where, values.longest)
    counts = _summed(zip(_class_texts(values), values.counts.tolist(), strict=True))
    aliases = _aliases(counts)
    merged = _summed((aliases.get(text, text), rows) for text, rows in counts.items())
    _refuse_unlearnable(where, merged, values.present)
    kept = {name: rows for name, rows in merged.items() if rows >= MIN_CLASS_ROWS}
    _check_task(where, task, len(kept))
    target = Target(
        name=values.name,
        task="binary" if len(kept) == 2 else "multiclass",
        classes=_ordered(kept),
        set_aside=tuple(sorted(set(merged) - set(kept))),
        aliases=aliases,
    )
    doubts = tuple(_doubts(values, kept, target, is_number=is_number))
    facts = _shares(kept, values.present)
    of_rare_class = values.present - sum(kept.values())
    return InferredTarget(target, values.missing, doubts, facts, values.blanks, of_rare_class)


def _refuse_long_class(where: str, longest: int) -> None:
    if longest > MAX_LEVEL_LENGTH:
        raise UserError(
            f"{where}: a class of {longest} characters ({MAX_LEVEL_LENGTH} at most)",
            "shorten it, or " + OTHER,
        )


def _summed(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Rows of each class, in the order in which the classes first occur."""
    counts: dict[str, int] = {}
    for name, count in rows:
        counts[name] = counts.get(name, 0) + count
    return counts


def _refuse_unlearnable(where: str, counts: Mapping[str, int], present: int) -> None:
    """Refuse too many classes, and fewer than two with rows enough."""
    is_unique = len(counts) > 0.5 * present
    if len(counts) > MAX_CLASSES:
        unique = ", nearly every row its own: unique" if is_unique else ""
        raise UserError(
            f"{where}: {len(counts)} different texts{unique} (classes: {MAX_CLASSES} at most)",
            OTHER,
        )
    if sum(rows >= MIN_CLASS_ROWS for rows in counts.values()) < 2:
        unique = " is unique, nearly" if is_unique else ""
        listed = ", ".join(f"{name}: {rows}" for name, rows in list(counts.items())[:4])
        raise UserError(
            f"{where}{unique}: fewer than two classes have {MIN_CLASS_ROWS} rows ({listed})",
            "gather more rows, or " + OTHER,
        )


def _check_task(where: str, task: Task | None, classes: int) -> None:
    if (task == "binary" and classes != 2) or (task == "multiclass" and classes == 2):
        raise UserError(f"{where}: {classes} classes are not {task}", "leave TASK out")


def _doubts(values: Values, kept: dict[str, int], target: Target, *, is_number: bool) -> list[str]:
    classes, rare = target.classes, target.set_aside
    doubts = [f'positive: "{classes[-1]}"'] if len(classes) == 2 else []
    doubts += _alias_doubts(target.aliases)
    doubts += [f"under {MIN_CLASS_ROWS} rows, set aside: {quoted(rare)}"] if rare else []
    if is_number and len(classes) > 2:
        doubts.append("a quantity? then TASK=regression")
    return doubts + _imbalance_doubt(kept, values.present) + _set_aside(values.missing)


def _alias_doubts(aliases: Mapping[str, str]) -> list[str]:
    """A doubt for each class that other spellings are read as."""
    spellings: dict[str, list[str]] = {}
    for other, name in aliases.items():
        spellings.setdefault(name, []).append(other)
    return [f'read as "{name}": {quoted(tuple(others))}' for name, others in spellings.items()]


def _imbalance_doubt(kept: Mapping[str, int], present: int) -> list[str]:
    """A doubt where the rarest class has under a tenth of the others' mean."""
    rarest = min(kept, key=lambda name: kept[name])
    if kept[rarest] >= 0.1 * present / (len(kept) - 1):
        return []
    return [f'imbalanced: "{rarest}" {kept[rarest] / present:.1%}']


def _class_texts(values: Values) -> list[str]:
    """Class names; whole numbers without `.0`."""
    short: list[str] = pc.replace_substring_regex(
        values.distinct, r"^([+-]?\d+)\.0+$", r"\1"
    ).to_pylist()
    return short


def _aliases(counts: Mapping[str, int]) -> dict[str, str]:
    """Other spelling → the most frequent one of its class.

    YES for Yes, and Y for Yes where all are yes or no.
    """
    yes_or_no = all(text.casefold() in TRUE | FALSE for text in counts)
    meaning: dict[str, str | bool] = {
        text: text.casefold() in TRUE if yes_or_no else text.casefold() for text in counts
    }
    best: dict[str | bool, str] = {}
    for text in sorted(counts, key=lambda t: -counts[t]):
        best.setdefault(meaning[text], text)
    return {text: best[meaning[text]] for text in sorted(counts) if best[meaning[text]] != text}


def _ordered(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Classes by name (numbers by size); of two, the positive last: yes, true, 1, or the rarer."""
    if len(counts) == 2:
        rarer = min(counts, key=lambda c: counts[c])
        positive = next((c for c in counts if c.lower() in TRUE), rarer)
        return tuple(sorted(counts, key=lambda c: c == positive))
    try:
        return tuple(sorted(counts, key=float))
    except ValueError:
        return tuple(sorted(counts))


def _shares(counts: Mapping[str, int], total: int) -> str:
    frequent = sorted(counts.items(), key=lambda item: -item[1])[:6]
    return ", ".join(f"{name} {rows / total:.1%}" for name, rows in frequent)

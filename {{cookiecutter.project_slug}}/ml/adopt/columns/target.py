"""The column to predict.

Which task it makes, its classes in order, and the targets that cannot be learned.
"""

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
class FoundTarget:
    """The target and what a person should know about it."""

    target: Target
    missing: int
    doubts: tuple[str, ...]
    facts: str
    blanks: tuple[str, ...] = ()


def infer_target(path: str, name: str, texts: Texts, task: Task | None) -> FoundTarget:
    """Task and classes from the target's values.

    Raises:
        UserError: no values, constant, all different, more classes than can be learned, no numbers
            for a regression.
    """
    where = f'{path}: target "{name}"'
    values = values_of(name, texts)
    fmt = column_format(values)
    if fmt is None:  # among words None and NA may be classes, among numbers they mean missing
        common = 0.02 * len(texts.codes)
        values = values_of(
            name, texts, lambda text, rows: text.lower() in ("none", "na") and rows >= common
        )
    _refuse_constant(where, values)
    if task == "regression" or (task is None and fmt is not None and _is_quantity(values, fmt)):
        if fmt is None:
            raise UserError(
                f"{where}: no regression, its values are not numbers (first:"
                f' "{_first_word(values)}")',
                "leave TASK out",
            )
        return _regression(where, read_numbers(values, fmt))
    return _classes(where, values, task, fmt)


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
    read = numbers(values.distinct, fmt).to_numpy(zero_copy_only=False)
    read = read[~np.isnan(read)]
    if len(read) <= 2:
        return False
    few = (
        len(read) <= MAX_NUMBER_CLASSES
        and bool((read % 1 == 0).all())
        and values.present >= 10 * len(read)
    )
    return not few or name_hints.is_count(values.name)


def _regression(where: str, read: ReadNumbers) -> FoundTarget:
    values, present = read.values, read.present
    stray = stray_texts(values, read.wrong)
    if stray is None:
        raise _not_numbers(where, values, read.wrong)
    if len(present) == values.present >= MIN_UNIQUE_ROWS and _is_series(present):
        raise UserError(f"{where} is unique: every whole number once, a row number", OTHER)
    doubts = [f"{quoted(stray)}: {values.rows_of(read.wrong)} rows set aside"] if stray else []
    doubts += read.sentinel_doubts()
    if len(present) <= 20 and read.is_whole:
        doubts.append("classes? then TASK=multiclass")
    return FoundTarget(
        target=Target(name=values.name, task="regression", format=read.format),
        missing=read.missing,
        doubts=tuple(doubts + _set_aside(read.missing)),
        facts=f"{present.min():g} … {present.max():g}",
        blanks=(*values.blanks, *stray),
    )


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


def _classes(
    where: str, values: Values, task: Task | None, fmt: NumberFormat | None
) -> FoundTarget:
    if values.longest > MAX_LEVEL_LENGTH:
        raise UserError(
            f"{where}: a class of {values.longest} characters ({MAX_LEVEL_LENGTH} at most)",
            "shorten it, or " + OTHER,
        )
    counts = _summed(zip(_class_texts(values), values.counts.tolist(), strict=True))
    aliases = _aliases(counts)
    merged = _summed((aliases.get(text, text), rows) for text, rows in counts.items())
    kept, rare = _learnable(where, values, merged)
    _check_task(where, task, len(kept))
    classes = _ordered(kept)
    target = Target(
        name=values.name,
        task="binary" if len(classes) == 2 else "multiclass",
        classes=classes,
        set_aside=rare,
        aliases=aliases,
    )
    doubts = tuple(_doubts(values, kept, target, is_number=fmt is not None))
    return FoundTarget(target, values.missing, doubts, _shares(kept, values.present), values.blanks)


def _summed(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Rows of each class, in the order in which the classes first occur."""
    counts: dict[str, int] = {}
    for name, count in rows:
        counts[name] = counts.get(name, 0) + count
    return counts


def _learnable(
    where: str, values: Values, counts: Mapping[str, int]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Classes with rows enough, and those with too few."""
    if len(counts) > MAX_CLASSES:
        unique = ", nearly every row its own: unique" if len(counts) > 0.5 * values.present else ""
        raise UserError(
            f"{where}: {len(counts)} different texts{unique} (classes: {MAX_CLASSES} at most)",
            OTHER,
        )
    kept = {c: n for c, n in counts.items() if n >= MIN_CLASS_ROWS}
    if len(kept) < 2:
        unique = " is unique, nearly" if len(counts) > 0.5 * values.present else ""
        raise UserError(
            f"{where}{unique}: fewer than two classes have {MIN_CLASS_ROWS} rows"
            f" ({', '.join(f'{c}: {n}' for c, n in list(counts.items())[:4])})",
            "gather more rows, or " + OTHER,
        )
    return kept, tuple(sorted(set(counts) - set(kept)))


def _check_task(where: str, task: Task | None, classes: int) -> None:
    if (task == "binary" and classes != 2) or (task == "multiclass" and classes == 2):
        raise UserError(f"{where}: {classes} classes are not {task}", "leave TASK out")


def _doubts(values: Values, kept: dict[str, int], target: Target, *, is_number: bool) -> list[str]:
    classes, aliases, rare = target.classes, target.aliases, target.set_aside
    doubts = [f'positive: "{classes[-1]}"'] if len(classes) == 2 else []
    doubts += [
        f'read as "{c}": {quoted(tuple(a for a in aliases if aliases[a] == c))}'
        for c in dict.fromkeys(aliases.values())
    ]
    doubts += [f"under {MIN_CLASS_ROWS} rows, set aside: {quoted(rare)}"] if rare else []
    if is_number and len(classes) > 2:
        doubts.append("a quantity? then TASK=regression")
    least = min(kept, key=lambda c: kept[c])
    if kept[least] < 0.1 * values.present / (len(kept) - 1):
        doubts.append(f'imbalanced: "{least}" {kept[least] / values.present:.1%}')
    return doubts + _set_aside(values.missing)


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

    def key(text: str) -> str | bool:
        return text.casefold() in TRUE if yes_or_no else text.casefold()

    best: dict[str | bool, str] = {}
    for text in sorted(counts, key=lambda t: -counts[t]):
        best.setdefault(key(text), text)
    return {text: best[key(text)] for text in sorted(counts) if best[key(text)] != text}


def _ordered(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Classes by name (numbers by size); of two, the positive last: yes, true, 1, or the rarer."""
    if len(counts) == 2:
        positive = [c for c in counts if c.lower() in TRUE] or [
            min(counts, key=lambda c: counts[c])
        ]
        return tuple(sorted(counts, key=lambda c: c == positive[0]))
    try:
        return tuple(sorted(counts, key=float))
    except ValueError:
        return tuple(sorted(counts))


def _shares(counts: Mapping[str, int], total: int) -> str:
    return ", ".join(
        f"{c} {n / total:.1%}" for c, n in sorted(counts.items(), key=lambda item: -item[1])[:6]
    )

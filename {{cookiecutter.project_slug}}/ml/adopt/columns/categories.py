"""Columns of words: levels of a category, free text, or names of single rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ml.adopt.columns import name_hints
from ml.adopt.columns.inferred import Found, Values, values_of
from ml.contract import MAX_LEVEL_LENGTH, MAX_TEXT_LENGTH, Categorical, Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ml.dataset.parser import Texts

_MEASURED = re.compile(r"[^\w\s]{0,3}\s?\d[\d.,]*\s?[^\W\d_]{0,4}")
MAX_CLOSED = 60  # more levels than this are never taken for the whole list
MIN_LEVEL_ROWS = 10  # rarer levels are pooled (in small tables: under 2 % of the rows, 2 at least)
MAX_LEVELS = 500  # listed at most
TEXT_BUCKETS = 64  # columns into which the words of free text are hashed
MAX_TEXT_ROWS = 200_000  # beyond it hashing words costs more memory than a laptop gives


def words(name: str, texts: Texts) -> Found:
    """Levels, free text or an identifier; `None` and `NA` may be levels here."""
    values = values_of(name, texts, keep=_kept(texts))
    found = _words(values)
    listed = found.column.levels if isinstance(found.column, Categorical) else ()
    # only a list of levels can say that such a text is a value: elsewhere it means missing
    return found if set(values.kept) <= set(listed) else _words(values_of(name, texts))


def _words(values: Values) -> Found:
    name, n, d = values.name, values.present, len(values.distinct)
    longest = values.longest
    if longest > MAX_TEXT_LENGTH:
        return values.dropped(
            f"a text of {longest} characters ({MAX_TEXT_LENGTH} at most): shorten it"
        )
    is_long = longest > MAX_LEVEL_LENGTH
    prose = _words_per_text(values, is_long)
    if not prose and values.nearly_unique and not _is_measured(values):
        return values.dropped(f"identifier: {d} different in {n} rows", is_id=d == n)
    if name_hints.is_entity(name) and d > MAX_CLOSED:
        return values.dropped(f"identifier: {d} different, each in several rows", is_id=True)
    return (None if prose or is_long else levels(values)) or _text(values, prose)


def _kept(texts: Texts) -> Callable[[str, int], bool]:
    """Which texts that could mean missing are levels.

    `None` where it is common, `NA` where all the others are two capitals as well (codes of places).
    """
    listed = texts.distinct.slice(0, 1000).to_pylist()
    others = [t for t in listed if t and t != "NA"]
    capitals = len(others) >= 3 and all(re.fullmatch(r"[A-Z]{2}", t) for t in others)

    def keep(text: str, rows: int) -> bool:
        return (text.lower() == "none" and rows >= 0.02 * len(texts.codes)) or (
            text == "NA" and capitals
        )

    return keep


def _words_per_text(values: Values, is_long: bool) -> float:
    """Mean words in a text if the column is prose, else 0.

    Prose: mostly different or long, several words each.
    """
    if not is_long and len(values.distinct) < max(20, 0.2 * values.present):
        return 0
    step = max(1, len(values.distinct) // 1000)
    sample = values.distinct.to_pylist()[::step]
    mean = float(np.mean([len(text.split()) for text in sample]))
    return mean if mean >= (2 if name_hints.is_prose(values.name) else 3) else 0


def levels(values: Values) -> Found | None:
    """A closed list when levels are few and all common, else the common ones and the rest pooled.

    Returns:
        None where no level is common.
    """
    common = _common(values)
    if values.counts[common].sum() < 0.1 * values.present:
        return None
    listed = tuple(sorted(values.distinct[i].as_py() for i in common))
    closed = len(common) == len(values.distinct) <= MAX_CLOSED
    column = Categorical(
        kind="categorical",
        name=values.name,
        missing=values.missing > 0,
        levels=listed,
        unseen="refuse" if closed else "pool",
    )
    doubts = [] if closed else [_pooled(np.delete(values.counts, common))]
    return Found(
        values.name,
        column,
        values.missing,
        blanks=values.blanks,
        facts=f"{len(listed)}: {', '.join(listed)}",
        doubts=(*doubts, *_same_but_for_case(listed)),
    )


def _common(values: Values) -> list[int]:
    """Positions of the levels with rows enough, the most frequent first."""
    floor = min(MIN_LEVEL_ROWS, max(2, values.present // 50))
    order = np.argsort(-values.counts, kind="stable")
    return [int(i) for i in order[:MAX_LEVELS] if values.counts[i] >= floor]


def _pooled(rest: NDArray[np.int64]) -> str:
    """The doubt about levels that are pooled; `rest`: rows of each."""
    if len(rest) == 0:
        return "unseen levels will be pooled"
    return f"{len(rest)} rare levels pooled: up to {rest.max()} rows each, {rest.sum()} in all"


def _same_but_for_case(listed: tuple[str, ...]) -> list[str]:
    folded: dict[str, list[str]] = {}
    for level in listed:
        folded.setdefault(level.casefold(), []).append(level)
    twice = next((same for same in folded.values() if len(same) > 1), None)
    return [f"{' and '.join(twice)}: the same level?"] if twice else []


def _is_measured(values: Values) -> bool:
    """Numbers in units that differ, as €1.5M and €900K.

    Many have a decimal mark, which identifiers have not.
    """
    sample = values.distinct.slice(0, 200).to_pylist()
    decimal = sum(bool(re.search(r"\d[.,]\d", text)) for text in sample)
    return all(map(_MEASURED.fullmatch, sample)) and decimal >= 0.3 * len(sample)


def _text(values: Values, words_per_text: float) -> Found:
    hashed = words_per_text >= 4 and values.rows <= MAX_TEXT_ROWS
    column = Text(
        kind="text",
        name=values.name,
        missing=values.missing > 0,
        buckets=TEXT_BUCKETS if hashed else 0,
    )
    doubt = (
        f"free text: words hashed into {TEXT_BUCKETS}"
        if hashed
        else "free text: no feature (buckets: 0)"
    )
    if _is_measured(values):
        doubt = "numbers in several forms or units? no feature until they are alike"
    facts = f"{len(values.distinct)} texts"
    return Found(
        values.name, column, values.missing, doubts=(doubt,), blanks=values.blanks, facts=facts
    )

"""Columns of words: levels of a category, free text, or names of single rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ml.adopt.columns import name_hints
from ml.adopt.columns.inferred import InferredColumn, Values, sampled, values_of
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


def infer_words(name: str, texts: Texts) -> InferredColumn:
    """Levels, free text or an identifier; `None` and `NA` may be levels here."""
    values = values_of(name, texts, keep=_keeps_as_level(texts))
    inferred = _infer(values)
    spec = inferred.column
    listed = spec.levels if isinstance(spec, Categorical) else ()
    # only a list of levels can say that such a text is a value: elsewhere it means missing
    return inferred if set(values.kept) <= set(listed) else _infer(values_of(name, texts))


def _infer(values: Values) -> InferredColumn:
    if values.longest > MAX_TEXT_LENGTH:
        return values.dropped(
            f"a text of {values.longest} characters ({MAX_TEXT_LENGTH} at most): shorten it"
        )
    words_per_text = _words_per_text(values)
    identifier = _identifier(values, is_prose=words_per_text > 0)
    if identifier:
        return identifier
    is_text = words_per_text > 0 or _is_long(values)
    return (None if is_text else infer_levels(values)) or _text(values, words_per_text)


def _identifier(values: Values, *, is_prose: bool) -> InferredColumn | None:
    """Names of single rows, or of the things that rows are about."""
    n, d = values.present, len(values.distinct)
    if not is_prose and values.nearly_unique and not _is_measured(values):
        return values.dropped(f"identifier: {d} different in {n} rows", is_id=d == n)
    if name_hints.is_entity(values.name) and d > MAX_CLOSED:
        return values.dropped(f"identifier: {d} different, each in several rows", is_id=True)
    return None


def _is_long(values: Values) -> bool:
    return values.longest > MAX_LEVEL_LENGTH


def _keeps_as_level(texts: Texts) -> Callable[[str, int], bool]:
    """Which texts that could mean missing are levels.

    `None` where it is common, `NA` where all the others are two capitals as well (codes of places).
    """
    has_capitals = _are_codes_of_two_capitals(texts.distinct.slice(0, 1000).to_pylist())

    def keep(text: str, rows: int) -> bool:
        is_common_none = text.lower() == "none" and rows >= 0.02 * len(texts.codes)
        return is_common_none or (text == "NA" and has_capitals)

    return keep


def _are_codes_of_two_capitals(texts: list[str]) -> bool:
    others = [text for text in texts if text and text != "NA"]
    return len(others) >= 3 and all(re.fullmatch(r"[A-Z]{2}", text) for text in others)


def _words_per_text(values: Values) -> float:
    """Mean words in a text if the column is prose, else 0.

    Prose: mostly different or long, several words each.
    """
    if not _is_long(values) and len(values.distinct) < max(20, 0.2 * values.present):
        return 0
    sample = sampled(values.distinct, 1000).to_pylist()
    mean = float(np.mean([len(text.split()) for text in sample]))
    return mean if mean >= (2 if name_hints.is_prose(values.name) else 3) else 0


def infer_levels(values: Values) -> InferredColumn | None:
    """A closed list when levels are few and all common, else the common ones and the rest pooled.

    Returns:
        None where no level is common.
    """
    common = _common(values)
    if values.counts[common].sum() < 0.1 * values.present:
        return None
    listed = tuple(sorted(values.distinct[i].as_py() for i in common))
    is_closed = len(common) == len(values.distinct) <= MAX_CLOSED
    doubts = [] if is_closed else [_pooled(np.delete(values.counts, common))]
    column = Categorical(
        kind="categorical",
        name=values.name,
        missing=values.missing > 0,
        levels=listed,
        unseen="refuse" if is_closed else "pool",
    )
    inferred = values.inferred(column, facts=f"{len(listed)}: {', '.join(listed)}")
    return inferred.with_doubts(*doubts, *_same_but_for_case(listed))


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
    spellings: dict[str, list[str]] = {}
    for level in listed:
        spellings.setdefault(level.casefold(), []).append(level)
    alike = next((same for same in spellings.values() if len(same) > 1), None)
    return [f"{' and '.join(alike)}: the same level?"] if alike else []


def _is_measured(values: Values) -> bool:
    """Numbers in units that differ, as €1.5M and €900K.

    Many have a decimal mark, which identifiers have not.
    """
    sample = values.distinct.slice(0, 200).to_pylist()
    decimal = sum(bool(re.search(r"\d[.,]\d", text)) for text in sample)
    return all(map(_MEASURED.fullmatch, sample)) and decimal >= 0.3 * len(sample)


def _text(values: Values, words_per_text: float) -> InferredColumn:
    is_hashed = words_per_text >= 4 and values.rows <= MAX_TEXT_ROWS
    column = Text(
        kind="text",
        name=values.name,
        missing=values.missing > 0,
        buckets=TEXT_BUCKETS if is_hashed else 0,
    )
    doubt = _text_doubt(values, is_hashed=is_hashed)
    return values.inferred(column, facts=f"{len(values.distinct)} texts").with_doubts(doubt)


def _text_doubt(values: Values, *, is_hashed: bool) -> str:
    if _is_measured(values):
        return "numbers in several forms or units? no feature until they are alike"
    if is_hashed:
        return f"free text: words hashed into {TEXT_BUCKETS}"
    return "free text: no feature (buckets: 0)"

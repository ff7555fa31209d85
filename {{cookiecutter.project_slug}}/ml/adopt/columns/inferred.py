"""What is known of a column: before inference its values, after it the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contract import MAX_LEVEL_LENGTH
from ml.dataset.parser import Texts
from ml.errors import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Column

# lower case; every spelling that occurs goes into the column's missing_texts in contract.yaml
MISSING = frozenset(
    {
        "", "na", "n/a", "nan", "null", "#n/a", "#na", "<na>", "?", "n.a.", "(null)", "\\n",
        "none", "nat",
    }
)  # fmt: skip
# what stands for missing among numbers and dates, while among words it is a level
PLACEHOLDERS = frozenset(
    {
        "-", "--", "---", ".", "..", "??", "nil", "unknown", "unk", "undefined", "missing", "tbd",
        "x", "nd", "n.d.",
        "k.a.", "inf", "-inf", "+inf", "infinity", "-infinity", "#div/0!", "#value!", "#ref!",
        "#null!", "#num!",
        "#name?", "nat", "error", "no data", "not available", "not applicable", "0000-00-00",
        "0000-00-00 00:00:00",
    }
)  # fmt: skip

STRAY_TEXTS = 5  # distinct texts among numbers or dates that may be taken for missing
UNIQUE_SHARE = 0.95  # of the rows with a value of their own: an identifier
MIN_UNIQUE_ROWS = 20  # fewer different values prove no identifier


@dataclass(frozen=True)
class Values:
    """A column's texts apart from those that mean missing."""

    name: str
    distinct: pa.Array
    counts: NDArray[np.int64]
    rows: int
    codes: NDArray[np.int32]  # (rows,) position in `distinct`, -1: missing
    blanks: tuple[str, ...] = ()  # spellings of missing that occur
    kept: tuple[str, ...] = ()  # texts that mean missing elsewhere and are values here

    @property
    def longest(self) -> int:
        """Characters of the longest value."""
        return int(pc.max(pc.utf8_length(self.distinct)).as_py() or 0)

    @property
    def present(self) -> int:
        """Rows that hold a value."""
        return int(self.counts.sum())

    @property
    def missing(self) -> int:
        """Rows that hold none."""
        return self.rows - self.present

    @property
    def nearly_unique(self) -> bool:
        """Whether nearly every row has a value of its own, as rows with an identifier have."""
        different = len(self.distinct)
        return self.present >= MIN_UNIQUE_ROWS and different > UNIQUE_SHARE * self.present

    def placeholders(self) -> NDArray[np.bool_]:
        """Which distinct values are words for missing."""
        listed = pc.is_in(pc.utf8_lower(self.distinct), value_set=pa.array(sorted(PLACEHOLDERS)))
        return np.asarray(listed.to_numpy(zero_copy_only=False))

    def rows_of(self, which: NDArray[np.bool_]) -> int:
        """Rows whose distinct value is among `which`."""
        return int(self.counts[which].sum())

    def dropped(self, reason: str, *, is_id: bool = False) -> InferredColumn:
        """The verdict that the column is no feature."""
        return InferredColumn(self.name, None, self.missing, reason, is_id)

    def inferred(
        self, column: Column, *, facts: str, stray: tuple[str, ...] = (), missing: int | None = None
    ) -> InferredColumn:
        """The verdict that it is a feature.

        Args:
            column: its kind.
            facts: range or levels.
            stray: values that will be read as missing.
            missing: rows without a value, if `stray` or a number that means missing adds some.
        """
        return InferredColumn(
            self.name,
            column,
            self.missing if missing is None else missing,
            blanks=(*self.blanks, *stray),
            facts=facts,
        )


@dataclass(frozen=True)
class InferredColumn:
    """The verdict on one column; doubts are short, for they stand in a table of 80 columns."""

    name: str
    column: Column | None  # None: not a feature
    missing: int = 0
    reason: str = ""  # why it is not a feature
    is_id: bool = False  # it tells rows (or the things they are about) apart
    doubts: tuple[str, ...] = ()
    blanks: tuple[str, ...] = ()  # texts of this column that mean missing
    facts: str = ""  # range or levels

    def with_doubts(self, *doubts: str) -> InferredColumn:
        """The same verdict with more doubts."""
        return replace(self, doubts=(*self.doubts, *doubts))


def values_of(
    name: str, texts: Texts, keep: Callable[[str, int], bool] = lambda _text, _rows: False
) -> Values:
    """Split a column's texts into values and spellings of missing.

    Args:
        name: the column's.
        texts: as read.
        keep: (text, rows) → whether a text that could mean missing is a value here.
    """
    counts = texts.counts()
    absent, kept = _meaning_missing(texts.distinct, counts, keep)
    blanks = texts.distinct.filter(pa.array(absent)).to_pylist()
    position = np.append(np.where(absent, -1, np.cumsum(~absent) - 1), -1).astype(np.int32)
    return Values(
        name=name,
        distinct=texts.distinct.filter(pa.array(~absent)),
        counts=counts[~absent],
        rows=len(texts.codes),
        codes=position[texts.codes],
        blanks=tuple(text for text in blanks if text),
        kept=kept,
    )


def _meaning_missing(
    distinct: pa.Array, counts: NDArray[np.int64], keep: Callable[[str, int], bool]
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which distinct texts mean missing, and those that could and are kept as values."""
    suspects = pc.is_in(pc.utf8_lower(distinct), value_set=pa.array(sorted(MISSING)))
    absent = suspects.to_numpy(zero_copy_only=False).copy()
    spellings = {int(i): distinct[int(i)].as_py() for i in np.flatnonzero(absent)}
    kept = {i: text for i, text in spellings.items() if keep(text, int(counts[i]))}
    absent[list(kept)] = False
    return absent, tuple(kept.values())


def stray_texts(values: Values, wrong: NDArray[np.bool_]) -> tuple[str, ...] | None:
    """The texts among numbers or moments that can be read as missing.

    None: they are too many, or one is too long for the contract.

    Args:
        values: the column.
        wrong: which distinct values are no number or moment; words for missing are always allowed.
    """
    if int((wrong & ~values.placeholders()).sum()) > STRAY_TEXTS:
        return None
    stray = tuple(values.distinct.filter(pa.array(wrong)).to_pylist())
    return None if any(len(text) > MAX_LEVEL_LENGTH for text in stray) else stray


def sampled(distinct: pa.Array, size: int) -> pa.Array:
    """Texts at equal distances, at most twice as many as `size`."""
    return distinct.take(pa.array(range(0, len(distinct), max(1, len(distinct) // size))))


def quoted(texts: tuple[str, ...]) -> str:
    """Texts as a person sees them: "-", "unknown"."""
    return ", ".join(f'"{printable(text)}"' for text in texts)

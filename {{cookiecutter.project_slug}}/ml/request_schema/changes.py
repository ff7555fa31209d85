"""What a client of one contract would notice of another: refused requests, other classes.

A change that only widens what is allowed (an optional column, a level more, a whole number that may
now have a fraction) is none.
"""

from __future__ import annotations

from ml.contract import (
    Boolean,
    Categorical,
    Column,
    Contract,
    Datetime,
    Integer,
    Numeric,
    Text,
    max_length,
)
from ml.errors import listing, printable


def breaking_changes(before: Contract, after: Contract) -> list[str]:
    """What no longer holds for a client of the contract before, in words; empty: nothing."""
    return [*_target_changes(before, after), *_column_changes(before, after)]


def same_target(before: Contract, after: Contract) -> bool:
    """Whether both predict the same: answers of one can be compared with those of the other."""
    return not _target_changes(before, after)


def _target_changes(before: Contract, after: Contract) -> list[str]:
    old, new = before.target, after.target
    if (old.name, old.task) != (new.name, new.task):
        return [
            f'the target was "{printable(old.name)}" ({old.task}), '
            f'is "{printable(new.name)}" ({new.task})'
        ]
    if old.classes != new.classes:
        return [f"the target's classes were {listing(old.classes)}, are {listing(new.classes)}"]
    return []


def _column_changes(before: Contract, after: Contract) -> list[str]:
    kept = [_change_of(name, before, after) for name in _keys(before)]
    added = [
        f'column "{printable(name)}" is new and required'
        for name in after.names
        if name not in _keys(before) and not _is_optional(name, after)
    ]
    return [change for change in kept if change] + added


def _keys(contract: Contract) -> list[str]:
    """The keys that a request may have."""
    return contract.names + ([contract.id] if contract.id else [])


def _is_optional(name: str, contract: Contract) -> bool:
    """Whether a request may leave the column out: a moment is then the present one."""
    column = contract.get(name)
    return column is None or column.missing or name == contract.time


def _change_of(name: str, before: Contract, after: Contract) -> str | None:
    """What no longer holds for one key of a request."""
    shown = f'column "{printable(name)}"'
    if name not in _keys(after):
        return f"{shown} is gone"
    old, new = before.get(name), after.get(name)
    if old is None or new is None:  # the id
        return None if old is new else f"{shown} is {'the' if new is None else 'no longer the'} id"
    if _is_optional(name, before) and not _is_optional(name, after):
        return f"{shown} was optional, is required"
    narrowed = _narrowed(old, new)
    return f"{shown} {narrowed}" if narrowed else None


def _narrowed(old: Column, new: Column) -> str | None:
    """What the new column refuses of the old one's values."""
    match old, new:
        case (Numeric() | Integer(), Numeric()) | (Integer(), Integer()):
            return None
        case (Boolean(), Boolean()) | (Datetime(), Datetime()):
            return None
        case Categorical() | Text(), Categorical() | Text():
            return _narrowed_texts(old, new)
    return f"was {old.kind}, is {new.kind}"


def _narrowed_texts(old: Categorical | Text, new: Categorical | Text) -> str | None:
    if isinstance(new, Categorical) and new.unseen == "refuse":
        if not (isinstance(old, Categorical) and old.unseen == "refuse"):
            return "took any text, takes its levels only"
        gone = [level for level in old.levels if level not in new.levels]
        return f"no longer takes {listing(gone)}" if gone else None
    longest = _longest(old)
    return (
        f"took texts of {longest} characters, takes {max_length(new)}"
        if longest > max_length(new)
        else None
    )


def _longest(column: Categorical | Text) -> int:
    """Characters of the longest text that a column takes."""
    if isinstance(column, Categorical) and column.unseen == "refuse":
        return max(map(len, column.levels), default=0)
    return max_length(column)

"""What adopt found, as one table that fits 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from ml.errors import SENTENCE, printable

if TYPE_CHECKING:
    from ml.adopt.columns.inferred import Found
    from ml.adopt.infer_contract import Adopted


def table(adopted: Adopted) -> Table:
    """Column, kind, missing, range or levels, doubt.

    The target first, dropped columns in their place.
    """
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    made.add_column("column", overflow="fold", max_width=20)
    made.add_column("kind", no_wrap=True)
    made.add_column("missing", justify="right", no_wrap=True)
    made.add_column("range or levels", no_wrap=True, overflow="ellipsis", max_width=21)
    made.add_column("doubt", overflow="fold", ratio=1)
    made.add_row(*_target(adopted), style="bold")
    for found in adopted.found:
        made.add_row(*_cells(found, adopted), style="" if found.column else "dim")
    return made


def _target(adopted: Adopted) -> tuple[Text, ...]:
    found = adopted.target
    return _row(
        found.target.name,
        found.target.task,
        found.missing,
        found.facts,
        ("the target", *found.doubts),
        adopted,
    )


def _cells(found: Found, adopted: Adopted) -> tuple[Text, ...]:
    kind = (
        found.column.kind
        if found.column
        else "id"
        if found.name == adopted.contract.id
        else "dropped"
    )
    doubts = found.doubts if found.column else (found.reason, *found.doubts)
    return _row(found.name, kind, found.missing, found.facts, doubts, adopted)


def _row(
    name: str, kind: str, missing: int, facts: str, doubts: tuple[str, ...], adopted: Adopted
) -> tuple[Text, ...]:
    said = Text(printable("; ".join(doubts), SENTENCE), style="yellow")
    return (
        Text(printable(name)),
        Text(kind),
        Text(_share(missing, adopted.rows)),
        Text(printable(facts)),
        said,
    )


def _share(missing: int, rows: int) -> str:
    if missing == 0:
        return ""
    return f"{missing / rows:.1%}" if missing >= 0.001 * rows else str(missing)

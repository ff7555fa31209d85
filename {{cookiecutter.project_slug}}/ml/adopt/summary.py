"""What was inferred, as one table that fits 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from ml.errors import SENTENCE, printable

if TYPE_CHECKING:
    from ml.adopt.columns.inferred import InferredColumn
    from ml.adopt.infer_contract import Adopted


def table(adopted: Adopted) -> Table:
    """Column, kind, missing, range or levels, doubt.

    The target first, dropped columns in their place.
    """
    summary = _headed()
    summary.add_row(*_target(adopted), style="bold")
    for inferred in adopted.columns:
        summary.add_row(*_cells(inferred, adopted), style="" if inferred.column else "dim")
    return summary


def _headed() -> Table:
    """The table with its header and no row."""
    headed = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    headed.add_column("column", overflow="fold", max_width=20)
    headed.add_column("kind", no_wrap=True)
    headed.add_column("missing", justify="right", no_wrap=True)
    headed.add_column("range or levels", no_wrap=True, overflow="ellipsis", max_width=21)
    headed.add_column("doubt", overflow="fold", ratio=1)
    return headed


def _target(adopted: Adopted) -> tuple[Text, ...]:
    inferred, spec = adopted.target, adopted.target.target
    missing = _share(inferred.missing, adopted.rows)
    return _row(spec.name, spec.task, missing, inferred.facts, ("the target", *inferred.doubts))


def _cells(inferred: InferredColumn, adopted: Adopted) -> tuple[Text, ...]:
    kind = _kind(inferred, adopted.contract.id)
    missing = _share(inferred.missing, adopted.rows)
    reason = () if inferred.column else (inferred.reason,)
    return _row(inferred.name, kind, missing, inferred.facts, (*reason, *inferred.doubts))


def _kind(inferred: InferredColumn, identifier: str | None) -> str:
    if inferred.column:
        return inferred.column.kind
    return "id" if inferred.name == identifier else "dropped"


def _row(
    name: str, kind: str, missing: str, facts: str, doubts: tuple[str, ...]
) -> tuple[Text, ...]:
    doubt = Text(printable("; ".join(doubts), SENTENCE), style="yellow")
    return Text(printable(name)), Text(kind), Text(missing), Text(printable(facts)), doubt


def _share(missing: int, rows: int) -> str:
    if missing == 0:
        return ""
    return f"{missing / rows:.1%}" if missing >= 0.001 * rows else str(missing)

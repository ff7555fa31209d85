"""`ml journal forget`: a person's rows leave the journal and the training parts.

Reads: the journal, contract.yaml, data/raw. Writes: the journal, data/raw/NNNN-journal.parquet, a
DVC version and a git commit of it, and two lines of the ledger, before and after. Killed anywhere
and run again it ends in the same state: what was begun stands in the ledger, and each step finds
what is left to do.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from ml.adopt.source.raw_store import sweep
from ml.atomic import locked
from ml.contract import load_contract
from ml.dataset.reader import RAW
from ml.erasure import person, raw_parts
from ml.erasure.remains import remains
from ml.errors import UserError
from ml.journal import erasure
from ml.journal.database import first_line
from ml.journal.store import Journal, JournalError
from ml.ledger import chain
from ml.loop.run import LOCK
from ml.loop.train_challenger import commit, run
from ml.release.faults import translate_faults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.contract import Contract
    from ml.ledger.chain import Entry

FORGET, FORGOTTEN = "forget", "forgotten"
VERSION = RAW.with_suffix(".dvc")  # DVC's file of the data's version


class Found(NamedTuple):
    """A person's rows."""

    held: list[erasure.Held]
    labels: int
    parts: list[raw_parts.Rows]

    @property
    def predictions(self) -> list[str]:
        """Ids of the rows, in the journal and in parts, each once."""
        ids = [i for each in self.held for i in each.prediction_ids]
        return sorted({*ids, *(i for part in self.parts for i in part.prediction_ids)})

    @property
    def figures(self) -> dict[str, Any]:
        """What the ledger says of them."""
        moments = [each.at for each in self.held]
        return {
            "answers": sum(len(each.places) for each in self.held),
            "labels": self.labels,
            "parts": {part.path.name: len(part.prediction_ids) for part in self.parts},
            "from": _utc(min(moments, default=None)),
            "until": _utc(max(moments, default=None)),
        }


def _utc(moment: float | None) -> str | None:
    return (
        None
        if moment is None
        else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    )


def forget(row_ids: Sequence[str]) -> None:
    """Remove the rows with these ids, and say what remains.

    Raises:
        UserError: rows have no ids, data/raw is not here, or the journal cannot be written.
    """
    contract = _contract(row_ids)
    # no pass of the loop adds parts meanwhile
    with translate_faults("ml journal forget"), locked(LOCK), closing(Journal()) as journal:
        sweep()
        try:
            found, log = _forget(journal, contract, row_ids)
        except (JournalError, SQLAlchemyError) as error:
            next_step = "repeat the command: it goes on where it stopped"
            raise UserError(
                f"journal: {first_line(error).removeprefix('journal: ')}", next_step
            ) from None
        left = remains(contract, found.predictions, is_file=journal.is_file, log=log)
    _print(found, left)
    if not found.predictions:
        _print_earlier(row_ids)


def _contract(row_ids: Sequence[str]) -> Contract:
    contract = load_contract()
    if contract.id is None:
        raise UserError(
            "contract.yaml: id: no column identifies a row, so the journal holds no row ids",
            "make adopt with ID=column, or `ml journal prune --days`",
        )
    if not all(row_ids):
        raise UserError("--row-id: it is empty", "ml journal forget --row-id …")
    if VERSION.is_file() and not RAW.is_dir():
        raise UserError(f"{RAW}: it is not here, and may hold the rows", f"dvc pull {VERSION}")
    return contract


def _forget(journal: Journal, contract: Contract, row_ids: Sequence[str]) -> tuple[Found, bool]:
    """Remove what is there; what that was, and whether sqlite's log holds none of it."""
    begun, found = _unfinished(row_ids), _find(journal, contract, row_ids)
    if begun is None and not found.predictions:
        return found, erasure.empty_log(journal)  # somebody may have read it the last time
    begun = begun or _begin(found, row_ids)
    erasure.remove(journal, found.held)
    log = erasure.empty_log(journal)
    raw_parts.remove(found.parts, contract)
    if begun.evidence["parts"] or found.parts:
        run("dvc", "add", "-q", str(RAW))
        commit("Data: rows removed on request", (str(VERSION), str(chain.LEDGER)))
    chain.record(
        FORGOTTEN,
        why=f"line {begun.number} is done",
        evidence=begun.evidence,
        hashes=begun.hashes,
        decision=f"{FORGOTTEN}-{begun.decision}",
    )
    commit("Ledger: forgotten", (str(chain.LEDGER),))
    return found, log


def _find(journal: Journal, contract: Contract, row_ids: Sequence[str]) -> Found:
    held = erasure.find(journal, row_ids)
    predictions = [i for each in held for i in each.prediction_ids]
    labels = erasure.count_labels(journal, predictions)
    return Found(held, labels, raw_parts.find(row_ids, predictions, contract))


def _begin(found: Found, row_ids: Sequence[str]) -> Entry:
    """Write down what is removed, before it is: the ledger knows of a call that is killed."""
    return chain.record(
        FORGET,
        why=f"asked for: rows of {len(row_ids)} row id{'s' if len(row_ids) > 1 else ''}",
        evidence=found.figures,
        hashes=person.hashed(row_ids),
    )


def _unfinished(row_ids: Sequence[str]) -> Entry | None:
    """A call for these row ids that did not come to its end."""
    entries = chain.entries()
    done = {entry.decision for entry in entries if entry.action == FORGOTTEN}
    begun = [e for e in entries if e.action == FORGET and f"{FORGOTTEN}-{e.decision}" not in done]
    return next((entry for entry in begun if person.is_about(entry, row_ids)), None)


def _print(found: Found, left: Sequence[str]) -> None:
    console, figures = Console(soft_wrap=True), found.figures
    parts = sum(figures["parts"].values())
    console.print(
        f"removed from the journal: {figures['answers']:,} answers, {figures['labels']:,} labels; "
        f"from data/raw: {parts:,} rows",
        highlight=False,
    )
    lines = "\n".join(["what remains:", *(f"- {line}" for line in left)])
    console.print(lines, markup=False, highlight=False)
    if parts:
        console.print("next: make flow, then make release: a model that never saw them")


def _print_earlier(row_ids: Sequence[str]) -> None:
    """Nothing is there; what the ledger knows of earlier calls."""
    print("nothing with these row ids in the journal, nor in the parts of data/raw that it gave")
    done = [entry for entry in chain.entries() if entry.action == FORGOTTEN]
    for entry in (each for each in done if any(person.names(each, i) for i in row_ids)):
        print(f"{chain.LEDGER}: forgotten {entry.at[:19]}, line {entry.number}")

"""`ml retrain`: the labelled rows that the journal has gathered become a new part of the raw data.

Reads: the journal, contract.yaml, data/raw/. Writes: data/raw/NNNN-journal.parquet and data/raw.dvc
(a new DVC version), then everything that `dvc repro` and `ml release` write. Rows that an earlier
part holds are not taken again, so that a rerun after a kill adds nothing twice; rows that break the
contract are left out and named.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from ml.adopt.source.raw_store import sweep
from ml.atomic import locked
from ml.contract import Contract, load_contract
from ml.dataset.reader import RAW
from ml.errors import UserError
from ml.loop.journal_part import JOURNAL_PART, LeftOut, labelled_part, summary, write_part
from ml.loop.labelled import Labelled, labelled
from ml.monitoring.quarantine import QUARANTINE
from ml.params import load_params
from ml.pipeline.stage import FLOW_LOCK
from ml.release.commands import Released, release

if TYPE_CHECKING:
    from collections.abc import Sequence


def retrain(*, approval: bool = False) -> Released:
    """Add the new labelled rows, run the pipeline, release; what that came to.

    Args:
        approval: a version that passes the gate waits for `ml approve`.

    Raises:
        UserError: the journal holds no labelled row that is not in the raw data yet and keeps the
            contract.
    """
    contract, console = load_contract(), Console(stderr=True)
    with locked(FLOW_LOCK):
        sweep()  # what a killed call left behind
        _add_part(contract, console)
        _run("dvc", "add", str(RAW), "-q")
        _run("dvc", "repro")
        released = release(approval=approval)
    console.print("next: git add -A && git commit -m 'Retrained on labelled rows' && dvc push")
    return released


def _add_part(contract: Contract, console: Console) -> None:
    """Write the new labelled rows to data/raw; nothing where only an earlier call is finished."""
    at_hand = labelled(contract)
    part, left_out = labelled_part(at_hand.fresh, contract, load_params())
    if part.empty and not _unfinished():
        raise _nothing_new(at_hand, left_out)
    if left_out:
        console.print(summary(left_out), markup=False, highlight=False, soft_wrap=True)
    if not part.empty:
        console.print(f"{len(part)} labelled rows → {write_part(part, contract)}")


def _nothing_new(at_hand: Labelled, left_out: Sequence[LeftOut]) -> UserError:
    if left_out:
        return UserError(
            f"journal: no labelled row to add to data/raw; {' '.join(summary(left_out).split())}",
            "correct contract.yaml where it is the contract that is wrong, then `make retrain`",
        )
    if at_hand.quarantined:
        return UserError(
            f"journal: {at_hand.quarantined} of {at_hand.total} labelled rows lie in a "
            "quarantined window, the others are in data/raw already",
            f"delete the window's entry in {QUARANTINE} if its data were right after all, "
            "then `make retrain`",
        )
    return UserError(
        f"journal: no labelled row that is not in data/raw already ({at_hand.total} labelled)",
        "make label FILE=labels.csv",
    )


def _unfinished() -> bool:
    """Whether an earlier call was stopped between its new part and its release."""
    if not any(RAW.glob(f"*-{JOURNAL_PART}")):
        return False
    return (
        subprocess.run([sys.executable, "-m", "dvc", "status", "-q"], check=False).returncode != 0
    )


def _run(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], check=False)
    if done.returncode != 0:
        raise UserError(
            f"`{' '.join(words)}` stopped with status {done.returncode}",
            "mend what it says above, repeat",
        )

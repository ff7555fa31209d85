"""`ml retrain`: the labelled rows that the journal has gathered become a new part of the raw data.

Reads: the journal, contract.yaml, data/raw/. Writes: data/raw/NNNN-journal.parquet and data/raw.dvc (a new DVC
version), then everything that `dvc repro` and `ml release` write. Rows that an earlier part holds are not taken
again, so that a rerun after a kill adds nothing twice.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ml.adopt.store import sweep
from ml.contract import Contract, load_contract
from ml.errors import UserError
from ml.monitoring.quarantine import QUARANTINE, sound
from ml.pipeline.ingest import JOURNALED
from ml.release.release import release
from ml.serving.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ml.release.gate import Decision
    from ml.serving.entry import Prediction

RAW = Path("data/raw")
JOURNAL_PART = "journal.parquet"


def retrain() -> Decision:
    """Add the new labelled rows, run the pipeline, release; the gate's decision.

    Raises:
        UserError: the journal holds no labelled row that is not in the raw data yet.
    """
    contract = load_contract()
    sweep()  # what a killed call left behind
    fit = sound()  # rows of a window that the monitor found broken are not trained on
    labelled = list(Journal().labelled())
    part = labelled_part((p for p in labelled if fit(p.at)), contract, _taken(contract.added(JOURNALED)))
    console = Console(stderr=True)
    if part.empty and not _unfinished():
        raise _nothing_new(len(labelled), sum(not fit(p.at) for p in labelled))
    if not part.empty:
        path = write_part(part)
        console.print(f"{len(part)} labelled rows → {path}")
    _run("dvc", "add", str(RAW), "-q")
    _run("dvc", "repro")
    decision = release()
    console.print("next: git add -A && git commit -m 'Retrained on labelled rows' && dvc push")
    return decision


def _nothing_new(labelled: int, quarantined: int) -> UserError:
    if quarantined:
        return UserError(
            f"journal: {quarantined} of {labelled} labelled rows lie in a quarantined window, the others are in "
            "data/raw already",
            f"delete the window's entry in {QUARANTINE} if its data were right after all, then `make retrain`",
        )
    return UserError(
        f"journal: no labelled row that is not in data/raw already ({labelled} labelled)", "make label FILE=labels.csv"
    )


def labelled_part(labelled: Iterable[Prediction], contract: Contract, taken: set[str]) -> pd.DataFrame:
    """Labelled predictions as a typed raw part: the contract's columns, target, id and `prediction_id`.

    Args:
        labelled: predictions with their outcomes.
        contract: what a row is.
        taken: prediction ids that are in the raw data already.
    """
    from ml.frame import frame_of_rows

    fresh = [p for p in labelled if p.prediction_id not in taken]
    frame = frame_of_rows([p.features for p in fresh], contract)
    frame[contract.target.name] = [p.outcome for p in fresh]
    if contract.id:
        frame[contract.id] = [p.row_id for p in fresh]
    return frame.assign(**{contract.added(JOURNALED): [p.prediction_id for p in fresh]})


def write_part(part: pd.DataFrame) -> Path:
    """Write a part under the next free number, in one step."""
    numbers = [int(path.name[:4]) for path in RAW.glob("[0-9][0-9][0-9][0-9]-*")]
    path = RAW / f"{max(numbers, default=0) + 1:04d}-{JOURNAL_PART}"
    draft = path.with_name(f".{path.name}.draft")
    part.to_parquet(draft, index=False)
    draft.replace(path)
    return path


def _taken(name: str) -> set[str]:
    import pandas as pd

    parts = RAW.glob(f"[0-9][0-9][0-9][0-9]-{JOURNAL_PART}")
    return {str(value) for path in parts for value in pd.read_parquet(path, columns=[name])[name]}


def _unfinished() -> bool:
    """Whether an earlier call was stopped between its new part and its release."""
    return subprocess.run([sys.executable, "-m", "dvc", "status", "-q"], check=False).returncode != 0


def _run(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], check=False)
    if done.returncode != 0:
        raise UserError(f"`{' '.join(words)}` stopped with status {done.returncode}", "mend what it says above, repeat")

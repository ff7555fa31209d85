"""A challenger from the journal's ripe rows: data version, recipe, pipeline, release.

Reads: the journal, the ledger's entry that began it. Writes: a part of data/raw and its DVC
version, recipe.yaml, everything that `dvc repro` and `ml release` write, and a git commit for the
data and one for the model. Every step finds what an earlier call has done:
killed anywhere and begun again, it ends in the same state.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from ml.adopt.source.raw_store import sweep
from ml.atomic import locked
from ml.dataset.reader import RAW
from ml.dataset.recipe import Recipe, write_recipe
from ml.errors import UserError
from ml.ledger import chain
from ml.loop.journal_part import labelled_part, summary, write_part
from ml.loop.labelled import labelled
from ml.loop.memory import ABANDONED, FAILED, STOPPED, UNCHANGED
from ml.params import load_params
from ml.pipeline.stage import FLOW_LOCK
from ml.progress import working
from ml.release.commands import release
from ml.release.faults import translate_faults
from ml.release.promotion import Mandate
from ml.seal.manifest import check_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ml.contract import Contract
    from ml.ledger.chain import Entry

LEAST_HELD_OUT = 100  # rows; fewer decide nothing
DATA = ("data/raw.dvc", "recipe.yaml", str(chain.LEDGER))
MODEL = ("dvc.lock", "metrics", "reports")
REFUSED = re.compile(r"exited with 2\b")  # DVC's words for a stage that ended in a UserError
TRIES = 3  # of a retrain that cannot be carried out
AUTHOR = {"NAME": "ml loop", "EMAIL": "loop@localhost"}


class RefusedRowsError(UserError):
    """The pipeline refuses the rows: another try would end alike."""


def recipe_of(fresh: int, in_window: int, first: int, decayed: bool) -> Recipe:
    """How the challenger is made.

    The newer half of the newest ripe window is held out. The training windows to choose from: all
    rows; as many as the first version learned from; and after a decay the fresh rows alone, and the
    older half of the newest window alone, because what came before may hold no longer.

    Args:
        fresh: ripe labelled rows that no model has learned from.
        in_window: those of them that lie in the newest window.
        first: rows that the first version learned from; 0: not known.
        decayed: whether the answers got worse.
    """
    held_out = max(LEAST_HELD_OUT, min(fresh, in_window) // 2)
    recent = (fresh - held_out, in_window - held_out) if decayed else ()
    windows = (0, *(n for n in (first, *recent) if n >= LEAST_HELD_OUT))
    return Recipe(held_out_rows=held_out, windows=tuple(dict.fromkeys(windows)), refit=True)


def trained_rows(release_folder: Path) -> int:
    """Rows that a release learned from; 0 where it does not say, or is not as it was signed.

    The loop asks it of the first champion too, which may be from before there were keys.
    """
    path = release_folder / "trained_rows.npy"
    try:
        check_beside(release_folder)
        return len(np.load(path, mmap_mode="r", allow_pickle=False))
    except (FileNotFoundError, UserError):
        return 0


def finish(begun: Entry, contract: Contract, stops: int = 0) -> str:
    """Do what a `retrain` entry of the ledger began; the ledger's word for how it ended.

    Rows that the pipeline refuses are an end: the loop waits longer before the next challenger.
    Whatever else stops it (a lock, a full disk, a registry that is down) is none: the next pass
    goes on where this one stopped, so many times; then the retrain is given up.

    Args:
        begun: the entry.
        contract: what a row is.
        stops: how often it was stopped before.
    """
    try:
        with translate_faults("ml loop"), locked(FLOW_LOCK):
            return _finish(begun, contract)
    except RefusedRowsError as error:
        action, why = FAILED, error.what
    except UserError as error:
        action, why = STOPPED if stops + 1 < TRIES else ABANDONED, error.what
    _note(begun, action, why, f"-{stops + 1}" if action == STOPPED else "")
    Console(stderr=True, soft_wrap=True).print(f"not trained: {why}", markup=False)
    return action


def _finish(begun: Entry, contract: Contract) -> str:
    evidence = begun.evidence
    _make_data(evidence, contract)
    _make_model(begun)
    figures = {"retrain": begun.decision, **evidence}
    mandate = Mandate(begun.why, chain.LOOP, figures, evidence.get("decayed", False))
    released = release(mandate, approval=load_params().loop.approval)
    if released.action is None:
        _note(begun, UNCHANGED, "the pipeline made the champion again")
    return released.action or UNCHANGED


def _note(begun: Entry, action: str, why: str, once_more: str = "") -> None:
    decision, evidence = f"{action}{once_more}-{begun.decision}", {"retrain": begun.decision}
    chain.record(action, why=why, who=chain.LOOP, evidence=evidence, decision=decision)


def _make_data(evidence: dict[str, Any], contract: Contract) -> None:
    """Add the ripe rows to data/raw as a version of its own."""
    with working("adding the ripe rows"):
        sweep()  # what a killed call left behind
        fresh = labelled(contract, evidence["since"], evidence["until"]).fresh
        part, left_out = labelled_part(fresh, contract, load_params())
        if left_out:
            Console(stderr=True, soft_wrap=True).print(summary(left_out), markup=False)
        if not part.empty:
            _write(part, contract)
        write_recipe(Recipe.model_validate(evidence["recipe"]))
        run("dvc", "add", str(RAW))
        commit(f"Data: labelled rows up to {evidence['until_moment']}", DATA)


def _write(part: pd.DataFrame, contract: Contract) -> None:
    try:
        write_part(part, contract)
    except UserError as error:  # the pipeline could not read it
        raise RefusedRowsError(error.what, error.then) from None


def _make_model(begun: Entry) -> None:
    with working("training the challenger"):
        run("dvc", "repro")  # with -q it would not say how a stage ended
        commit(f"Model: {begun.why}", MODEL)


def run(*words: str) -> None:
    """Run a Python module; what it said is in the error where it fails.

    Raises:
        RefusedRowsError: a stage of DVC refused what it read.
        UserError: it failed for another reason.
    """
    done = subprocess.run(
        [sys.executable, "-m", *words], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("error:", "ERROR:"))] or lines[-1:]
        said = f": {errors[0]}" if errors else ""
        command = " ".join(words)
        kind = RefusedRowsError if REFUSED.search(done.stderr) else UserError
        raise kind(
            f"`{command}` stopped with status {done.returncode}{said}", f"python -m {command}"
        )


def commit(message: str, paths: Sequence[str]) -> None:
    """Commit these paths, and nothing else that somebody is working on; no change: no commit."""
    there = [path for path in paths if Path(path).exists()]
    if not there or _git("rev-parse", "--is-inside-work-tree"):
        return
    _git("add", "--", *there)
    if _git("diff", "--cached", "--quiet", "--", *there):
        _git("commit", "--quiet", "--no-verify", "-m", message.splitlines()[0][:200], "--", *there)


def _git(*words: str) -> int:
    """Git's exit status."""
    who = {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in AUTHOR.items()}
    environment = {**os.environ, **who}
    command = ["git", *words]
    done = subprocess.run(command, check=False, capture_output=True, env=environment)
    return done.returncode

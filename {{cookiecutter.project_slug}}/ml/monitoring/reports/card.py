"""`ml card`: the model card of a version, with what the monitor has seen since its release.

Reads: serving/champion/ or serving/releases/<version>/ (card.json, contract.json, lineage.json),
reports/monitoring/*/verdict.json; of a model that is not released metrics/*.json and params.yaml.
Writes: reports/card/ (card.html, card.md, card.json). The sealed card stays as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ml.bundle import CARD_JSON, CARD_PAGE, CHAMPION, CONTRACT_FILE, LINEAGE_FILE, RELEASES
from ml.card.figures import Figures
from ml.card.sections import Subject
from ml.card.write import measured_files, subject_of, write_card
from ml.contract import load_contract
from ml.errors import UserError, printable
from ml.monitoring import history
from ml.params import load_params

if TYPE_CHECKING:
    from ml.monitoring.verdict import Verdict

FOLDER = Path("reports/card")
WINDOWS = Path("reports/monitoring")
UNRELEASED = "bundle"


def card(version: str) -> None:
    """Write the card of a release, of the `champion`, or of the model in `bundle`.

    Raises:
        UserError: there is no such release, or it has no card.
    """
    subject = _unreleased() if version == UNRELEASED else _released(version)
    write_card(FOLDER, subject)
    blanks = [name for name, words in subject.words.items() if not words]
    console = Console(soft_wrap=True)
    console.print(f"{FOLDER / CARD_PAGE}: version {subject.version}", highlight=False)
    if blanks:
        console.print(f"next: params.yaml, under `card`: {', '.join(blanks)}", highlight=False)


def renew(champion: Path = CHAMPION) -> Path | None:
    """Write the champion's card again; the page, or None where its release has no card."""
    if not (champion / CARD_JSON).is_file():
        return None
    write_card(FOLDER, _of_folder(champion))
    return FOLDER / CARD_PAGE


def _unreleased() -> Subject:
    params = load_params()
    figures = Figures(measured_files())
    return Subject(figures, load_contract(), {"name": params.name}, params.card.words)


def _released(version: str) -> Subject:
    folder = CHAMPION if version == CHAMPION.name else RELEASES / version
    if not (folder / LINEAGE_FILE).is_file():
        what = f"{folder}: there is no such release here"
        raise UserError(printable(what, 200), "make release, or `ml card bundle` before it")
    return _of_folder(folder)


def _of_folder(folder: Path) -> Subject:
    lineage: dict[str, Any] = json.loads((folder / LINEAGE_FILE).read_text(encoding="utf-8"))
    since = {
        verdict.window: verdict.as_json()
        for verdict in history.verdicts(WINDOWS)
        if _is_of(verdict, lineage)
    }
    return subject_of(folder, load_contract(folder / CONTRACT_FILE), lineage, since)


def _is_of(verdict: Verdict, lineage: dict[str, Any]) -> bool:
    return verdict.version == lineage.get("version") and verdict.model == lineage.get("name")

"""The model card of a version: written when it is sealed, asked for before it is promoted.

Reads: metrics/*.json, params.yaml (card). Writes: card.md, card.html, card.json of a release.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ml.bundle import CARD_JSON, CARD_MARKDOWN, CARD_PAGE, CONTRACT_FILE
from ml.card.figures import Figures
from ml.card.people import blanks
from ml.card.sections import Subject
from ml.card.write import measured_files, write_card
from ml.contract import load_contract
from ml.params import load_params
from ml.release.gate.decision import Check

if TYPE_CHECKING:
    from pathlib import Path

    from ml.params import Card

HAS_CARD = "has a model card"
# where the registry has the card among the run's artifacts; its hash is in the manifest beside it
ARTIFACT = f"bundle/{CARD_PAGE}"
FILES = (CARD_PAGE, CARD_MARKDOWN, CARD_JSON)


def write(folder: Path, lineage: dict[str, Any]) -> None:
    """Write the card of the pipeline's model into a release that is being made.

    Raises:
        UserError: the pipeline has left no figures for a card.
    """
    contract = load_contract(folder / CONTRACT_FILE)
    figures = Figures(measured_files())
    write_card(folder, Subject(figures, contract, lineage, load_params().card.words))


def is_outdated(folder: Path) -> bool:
    """Whether a release has no card, or people have written something else since."""
    path = folder / CARD_JSON
    if not path.is_file():
        return True
    kept = json.loads(path.read_text(encoding="utf-8"))["words"]
    return bool(kept != load_params().card.words)


def described(folder: Path, settings: Card) -> list[Check]:
    """Does the release have its card, as `card.required` asks for? Off: no check."""
    if settings.required == "off":
        return []
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        figures, then = f"{', '.join(missing)}: no such file in {folder}", "make flow release"
        return [Check(HAS_CARD, False, figures, {"missing": missing}, then)]
    empty = blanks(json.loads((folder / CARD_JSON).read_text(encoding="utf-8"))["words"])
    figures = f"{len(empty)} blanks: {', '.join(empty)}" if empty else "no blanks"
    passed = settings.required == "written" or not empty
    then = "write them in params.yaml under `card`, then make flow release"
    return [Check(HAS_CARD, passed, figures, {"blanks": empty}, then)]

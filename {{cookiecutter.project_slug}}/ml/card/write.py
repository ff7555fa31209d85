"""card.md, card.html and card.json in a folder.

card.json keeps what the card was made of (measured files and people's words), so that a release's
card can be written again with what the monitor has seen since.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.atomic import write_json, write_text
from ml.bundle import CARD_JSON, CARD_MARKDOWN, CARD_PAGE
from ml.card.figures import Figures
from ml.card.markdown import markdown
from ml.card.page import page
from ml.card.sections import Subject, document
from ml.errors import UserError

if TYPE_CHECKING:
    from ml.contract import Contract

METRICS = Path("metrics")


def measured_files(folder: Path = METRICS) -> dict[str, Any]:
    """The pipeline's measured files, by their name in the project.

    Raises:
        UserError: the card's figures are missing: the pipeline has not run.
    """
    if not (folder / "card.json").is_file():
        raise UserError(f"{folder / 'card.json'}: no such file", "make flow")
    return {f"metrics/{path.name}": _json(path) for path in sorted(folder.glob("*.json"))}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_card(folder: Path, subject: Subject) -> None:
    """Write the three files; the folder is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    card = document(subject)
    files = {n: v for n, v in subject.figures.files.items() if n.startswith("metrics/")}
    write_json(folder / CARD_JSON, {"figures": files, "words": dict(subject.words)})
    write_text(folder / CARD_MARKDOWN, markdown(card))
    write_text(folder / CARD_PAGE, page(card))


def subject_of(
    folder: Path, contract: Contract, lineage: dict[str, Any], verdicts: Mapping[str, Any]
) -> Subject:
    """A release's card again, with the verdicts (window → verdict.json) since then.

    Raises:
        UserError: the release has no card.
    """
    path = folder / CARD_JSON
    if not path.is_file():
        raise UserError(f"{path}: no such file: the release has no card", "make flow release")
    kept = _json(path)
    since = {f"reports/monitoring/{name}/verdict.json": each for name, each in verdicts.items()}
    figures = Figures({**kept["figures"], **since})
    return Subject(figures, contract, lineage, kept["words"], tuple(verdicts))

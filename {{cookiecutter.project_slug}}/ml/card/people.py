"""What only a person can know: questions of the card, answered in params.yaml under `card`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.card.document import Blank, Block, text

if TYPE_CHECKING:
    from collections.abc import Mapping

QUESTIONS = {
    "intended_use": "What is the model for, and who uses its answers?",
    "out_of_scope": "What must it not be used for?",
    "data_origin": "Where does the data come from, and may it be used for this?",
    "considerations": "Whom can a wrong answer harm, and what is done about it?",
    "known_limits": "Which limits are known that no figure shows?",
    "contact": "Whom does one ask or tell about the model?",
}


def answered(words: Mapping[str, str | None], setting: str) -> Block:
    """What a person wrote, or the blank."""
    written = (words.get(setting) or "").strip()
    return text(written) if written else Blank(f"card.{setting}", QUESTIONS[setting])


def blanks(words: Mapping[str, str | None]) -> list[str]:
    """The settings that nobody has written yet."""
    return [name for name in QUESTIONS if not (words.get(name) or "").strip()]

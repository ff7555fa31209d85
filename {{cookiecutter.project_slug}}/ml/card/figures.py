"""A release's measured files as figures, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml.card.document import Figure, Style

Key = str | int


@dataclass(frozen=True)
class Figures:
    """Measured files: name (`metrics/model.json`) → what it holds."""

    files: dict[str, Any]

    def at(self, file: str, *keys: Key) -> Any:
        """What stands at a place; None where nothing does."""
        value = self.files.get(file)
        for key in keys:
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return None
        return value

    def figure(self, file: str, *keys: Key, style: Style = "number") -> Figure:
        """The number at a place."""
        value = self.at(file, *keys)
        known = value if isinstance(value, int | float) else None
        return Figure(known, f"{file}#{pointer(keys)}", style)


def pointer(keys: Sequence[Key]) -> str:
    """The place as a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)

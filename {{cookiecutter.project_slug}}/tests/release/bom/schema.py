"""CycloneDX's own schemas, read offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def fault(document: dict[str, Any]) -> str | None:
    """What the schema of version 1.6 does not allow in a document; None: nothing."""
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    return None if found is None else str(found)


def valid(path: Path) -> dict[str, Any]:
    """A document that keeps its schema."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert fault(document) is None
    return document

"""Everything that is known of the version that gave an answer, as one JSON-like dict.

Reads: serving/releases/<version>/lineage.json and manifest.json (fetched from the registry where
the release is not here), ledger.jsonl.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ml.bundle import LINEAGE_FILE
from ml.errors import UserError
from ml.ledger import chain
from ml.params import load_params
from ml.release import publish, registry
from ml.release.promotion import fetch
from ml.seal.manifest import MANIFEST_FILE

if TYPE_CHECKING:
    from ml.trace.record import Found


def origin(found: Found) -> dict[str, Any]:
    """The answer, its row, and the version, commit, data and decision behind it.

    Raises:
        UserError: neither this machine nor the registry has the release.
    """
    prediction = found.prediction
    lineage = lineage_of(prediction.version)
    return {
        "prediction_id": prediction.prediction_id,
        "answered_at": prediction.at,
        "role": prediction.role,
        "row_id": prediction.row_id,
        "row": prediction.features,
        "answer": prediction.prediction,
        "probabilities": prediction.probabilities,
        "outcome": prediction.outcome,
        "rows_of_the_request": len(found.asked),
        "version": prediction.version,
        "release": lineage,
        "files": _files(prediction.version),
        "promoted_by": _decision(prediction.version, datetime.fromtimestamp(prediction.at, UTC)),
    }


def lineage_of(version: str) -> dict[str, Any]:
    """lineage.json of a release; one that is not here is fetched from the registry.

    Raises:
        UserError: the registry does not have it either.
    """
    if not _is_readable(version):
        name = load_params().name
        client = registry.connect()
        if registry.version_tags(client, name, version) is None:
            raise UserError(
                f"registry: {name} has no version {version}, which gave this answer",
                "set MLFLOW_TRACKING_URI to the registry that it was released to",
            )
        with publish.exclusive_lock("ml trace"):
            fetch(client, name, version)
    return publish.lineage_of(version)


def _is_readable(version: str) -> bool:
    """Whether lineage and manifest are here and hold JSON objects with what is asked of them."""
    folder = publish.release_folder(version)
    try:
        lineage = json.loads((folder / LINEAGE_FILE).read_text(encoding="utf-8"))
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        return "git_dirty" in lineage and "files" in manifest
    except (OSError, ValueError, TypeError):
        return False


def _files(version: str) -> dict[str, str]:
    """The hash of each file of the bundle, by the release's manifest."""
    path = publish.release_folder(version) / MANIFEST_FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))["files"])


def _decision(version: str, at: datetime) -> dict[str, Any] | None:
    """The ledger's line that made the version champion, the last one before the answer."""
    moves = [e for e in chain.entries() if e.action in chain.MOVES and e.to_version == version]
    before = [entry for entry in moves if entry.moment <= at] or moves[:1]
    return asdict(before[-1]) if before else None

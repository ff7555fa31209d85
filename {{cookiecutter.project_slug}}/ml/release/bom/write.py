"""Both bills of materials in a release that is being made.

Writes: ml-bom.cdx.json, and sbom.cdx.json where the project has what its image is built from. The
same release gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ml.atomic import write_json
from ml.release.bom.environment import IMAGE, environment_bom
from ml.release.bom.model import model_bom
from ml.release.lineage import file_hash

MODEL_FILE = "ml-bom.cdx.json"
ENVIRONMENT_FILE = "sbom.cdx.json"
# tags of a version: the place among its run's artifacts; the manifest beside it has the hash
TAGS = {"ml_bom": MODEL_FILE, "sbom": ENVIRONMENT_FILE}


def write(folder: Path, lineage: dict[str, Any]) -> None:
    """Write both documents into a release that has its card.

    Args:
        folder: of the release.
        lineage: where the model comes from.
    """
    image = environment_bom()
    if image is not None:
        named = {"type": "container", "bom-ref": IMAGE}
        subject = {**named, "name": lineage["name"], "version": lineage["version"]}
        write_json(folder / ENVIRONMENT_FILE, _document(subject, lineage, image))
    model = model_bom(folder)
    subject = model.pop("model")
    if image is not None:
        listed = {"alg": "SHA-256", "content": file_hash(folder / ENVIRONMENT_FILE)}
        reference = {"type": "bom", "url": ENVIRONMENT_FILE, "hashes": [listed]}
        subject["externalReferences"].append(reference)
    write_json(folder / MODEL_FILE, _document(subject, lineage, model))


def _document(
    subject: dict[str, Any], lineage: dict[str, Any], content: dict[str, Any]
) -> dict[str, Any]:
    identity = f"{subject['type']} {lineage['version']} {lineage['bundle_hash']}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, identity)}",
        "version": 1,
        "metadata": {"timestamp": lineage["released_at"], "component": subject},
        **content,
    }


def tags(folder: Path) -> dict[str, str]:
    """Where the registry has the documents that the release holds."""
    return {tag: f"bundle/{name}" for tag, name in TAGS.items() if (folder / name).is_file()}

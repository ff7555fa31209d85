"""`ml container`: serve as the platform that runs the image says, by its own variables.

    what       who says so                                                otherwise
    port       `serve` (SageMaker): SAGEMAKER_BIND_TO_PORT, or 8080;      8000
               AIP_HTTP_PORT (Vertex AI); PORT (Cloud Run, Knative)
    bundle     ML_BUNDLE, or what a platform has mounted: /opt/ml/model   serving/champion,
               (SageMaker), AZUREML_MODEL_DIR, /mnt/models (KServe)       which is in the image

Vertex AI's routes and who checks the callers are settings of the server (`ml.serving.settings`).
`docs/platforms.md` has the commands for each platform.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ml.errors import UserError
from ml.serving.process.probe import port_of

MANIFEST = "manifest.json"  # every bundle has one
# names of variables that a platform sets whose disks end with the container
EPHEMERAL = ("AIP_HTTP_PORT", "AZUREML_MODEL_DIR", "K_SERVICE")


def serve(word: str | None, port: int | None, workers: int) -> None:
    """Serve on every address until SIGTERM.

    Args:
        word: SageMaker's `serve`, or None.
        port: instead of the platform's.
        workers: processes.

    Raises:
        UserError: what the platform says or has mounted cannot be used, or there are no keys.
    """
    from ml.serving.process import server

    if word not in (None, "serve"):
        raise UserError(f"{word}: an image of this project knows `serve` alone", "docker run IMAGE")
    if port is None:
        port = port_of(os.environ, is_sagemaker=word == "serve")
    bundle = mounted_bundle(os.environ)
    if bundle is not None:
        os.environ["ML_BUNDLE"] = str(bundle)  # for the workers, which read the environment anew
    if is_journal_lost(os.environ, is_sagemaker=word == "serve"):
        print(
            "warning: the journal is a file of this container and ends with it\n"
            "next: JOURNAL_URL=postgresql+psycopg://user@host/database",
            file=sys.stderr,
        )
    server.serve(host="0.0.0.0", port=port, workers=workers)  # noqa: S104


def mounted_bundle(environment: Mapping[str, str], root: Path = Path("/")) -> Path | None:
    """The bundle that a platform has mounted; None: ML_BUNDLE holds, or the image's own.

    Args:
        environment: variables.
        root: of the file system; another one in tests.

    Raises:
        UserError: something else is mounted: silently answering with the image's own model would
            look like success. Or Vertex AI would have to fetch a model.
    """
    if environment.get("ML_BUNDLE"):
        return None
    if address := environment.get("AIP_STORAGE_URI"):
        raise UserError(
            f"AIP_STORAGE_URI={address}: the model is in the image, nothing is fetched",
            "gcloud ai models upload without --artifact-uri",
        )
    azure = environment.get("AZUREML_MODEL_DIR", "")
    for folder in (root / "opt/ml/model", root / "mnt/models", *([Path(azure)] if azure else [])):
        try:
            if folder.is_dir() and any(folder.iterdir()):
                return _bundle_in(folder)
        except OSError as error:
            raise UserError(f"{folder}: {error.strerror}", "mount it for user 10001") from None
    return None


def _bundle_in(folder: Path) -> Path:
    """A mounted folder that is a bundle, or holds one alone (Azure puts name and version above)."""
    if (folder / MANIFEST).is_file():
        return folder
    inside = [path.parent for path in folder.rglob(MANIFEST)]
    if len(inside) != 1:
        raise UserError(
            f"{folder}: {MANIFEST} is not there, so this is no release",
            "mount the content of a folder of serving/releases",
        )
    return inside[0]


def is_journal_lost(environment: Mapping[str, str], is_sagemaker: bool) -> bool:
    """Whether the journal is a file on a disk that ends with the container."""
    is_file = not environment.get("JOURNAL_URL", "sqlite").startswith("postgresql")
    return is_file and (is_sagemaker or any(name in environment for name in EPHEMERAL))

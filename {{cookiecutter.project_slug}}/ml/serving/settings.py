"""The settings of a server: the serve block of params.yaml, and the environment.

Reads: params.yaml, ML_BUNDLE (folder of the bundle), JOURNAL_URL, ML_CLOCK (`ml.clock`),
ML_ALLOWED_HOSTS (see `ml.serving.api.origin`), ML_API_KEYS, ML_API_KEYS_FILE,
ML_LABEL_KEYS, ML_LABEL_KEYS_FILE (see `ml.serving.api_keys`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ml.bundle import CHAMPION
from ml.clock import now
from ml.journal.store import journal_url
from ml.params import Serve, load_params
from ml.serving.api_keys import LABEL_KEYS, Keys, load_keys


@dataclass(frozen=True)
class Settings:
    """The settings of a server, read once at start."""

    serve: Serve
    bundle: Path
    journal: str
    keys: Keys
    # empty: `keys` are valid for /labels too
    label_keys: Keys = field(default_factory=lambda: Keys((), None, 0))
    allowed_hosts: frozenset[str] = frozenset()  # beside loopback's, while there are no keys


def load_settings() -> Settings:
    """Settings from params.yaml and the environment."""
    serve = load_params().serve
    now()  # a clock that cannot be read is an error of the start, not of each request
    return Settings(
        serve=serve,
        bundle=Path(os.environ.get("ML_BUNDLE") or CHAMPION),
        journal=journal_url(),
        keys=load_keys(serve.rate_per_key),
        label_keys=load_keys(serve.rate_per_key, LABEL_KEYS),
        allowed_hosts=_allowed_hosts(),
    )


def _allowed_hosts() -> frozenset[str]:
    names = os.environ.get("ML_ALLOWED_HOSTS", "").lower()
    return frozenset(names.replace(",", " ").split())

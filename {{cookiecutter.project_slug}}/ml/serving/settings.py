"""The settings of a server: the serve and explain blocks of params.yaml, and the environment.

Reads: params.yaml, ML_BUNDLE (folder of the bundle), JOURNAL_URL, ML_CLOCK (`ml.clock`),
ML_ALLOWED_HOSTS (see `ml.serving.api.origin`), ML_API_KEYS, ML_API_KEYS_FILE,
ML_LABEL_KEYS, ML_LABEL_KEYS_FILE (see `ml.serving.api_keys`), ML_AUTH, and Vertex AI's
AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ml.bundle import CHAMPION
from ml.clock import now
from ml.errors import UserError
from ml.journal.store import journal_url
from ml.params import Explain, Serve, load_params
from ml.serving.api_keys import LABEL_KEYS, Keys, load_keys

# a platform's variable for a path of its own, and the route that answers there
PLATFORM_ROUTES = {"AIP_HEALTH_ROUTE": "/health/ready", "AIP_PREDICT_ROUTE": "/invocations"}


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
    # True: a platform in front lets only those through who may ask, so there are no keys
    auth_in_front: bool = False
    # further paths, and the route that answers each
    aliases: Mapping[str, str] = field(default_factory=dict)
    explain: Explain | None = None  # None: /explain is off


def load_settings() -> Settings:
    """Settings from params.yaml and the environment."""
    params = load_params()
    serve = params.serve
    now()  # a clock that cannot be read is an error of the start, not of each request
    keys = load_keys(serve.rate_per_key)
    return Settings(
        serve=serve,
        bundle=Path(os.environ.get("ML_BUNDLE") or CHAMPION),
        journal=journal_url(),
        keys=keys,
        label_keys=load_keys(serve.rate_per_key, LABEL_KEYS),
        allowed_hosts=_allowed_hosts(),
        auth_in_front=_auth_in_front(keys),
        aliases=_aliases(),
        explain=params.explain if params.explain.max_waiting else None,
    )


def _auth_in_front(keys: Keys) -> bool:
    """Whether ML_AUTH says that a platform checks who asks."""
    word = os.environ.get("ML_AUTH") or "keys"
    if word not in ("keys", "platform"):
        raise UserError(f"ML_AUTH={word}: neither keys nor platform", "ML_AUTH=keys")
    if word == "platform" and keys.needed:
        raise UserError(
            "ML_AUTH=platform: there are API keys too", "unset ML_AUTH, or ML_API_KEYS and its file"
        )
    return word == "platform"


def _aliases() -> dict[str, str]:
    named = {os.environ.get(name): route for name, route in PLATFORM_ROUTES.items()}
    return {path: route for path, route in named.items() if path}


def _allowed_hosts() -> frozenset[str]:
    names = os.environ.get("ML_ALLOWED_HOSTS", "").lower()
    return frozenset(names.replace(",", " ").split())

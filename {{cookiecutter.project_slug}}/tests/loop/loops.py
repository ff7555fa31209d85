"""What tests of the loop ask: the registry, the link that a server follows, the ledger."""

from __future__ import annotations

from ml.bundle import load_bundle
from ml.ledger import chain
from ml.release import registry


def champion() -> tuple[str | None, str]:
    """What the registry says, and what a server would load."""
    client = registry.connect()
    return registry.alias(client, "life", "champion"), load_bundle().version


def actions() -> list[str]:
    """The ledger's actions, oldest first."""
    return [entry.action for entry in chain.entries()]

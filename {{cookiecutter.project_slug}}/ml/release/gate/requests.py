"""The rule on clients: a new version takes the requests that the champion takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.release.gate.decision import Check
from ml.request_schema.changes import breaking_changes

if TYPE_CHECKING:
    from ml.contract import Contract

SAME_REQUESTS = "takes the champion's requests"


def same_requests(
    champion: Contract, challenger: Contract, version: str, *, allowed: bool
) -> Check:
    """Does the challenger answer all requests that the champion answers, for the same classes?

    Args:
        champion: its contract.
        challenger: its contract.
        version: of the champion.
        allowed: `--new-contract`: a change is named and lets the challenger pass.
    """
    changes = breaking_changes(champion, challenger)
    figures = "; ".join(changes) or f"as of version {version}"
    values = {"changes": changes, "allowed": allowed}
    then = "`ml release --new-contract` once its clients know"
    return Check(SAME_REQUESTS, allowed or not changes, figures, values, then)

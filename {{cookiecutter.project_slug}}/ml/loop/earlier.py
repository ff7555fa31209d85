"""Earlier champions on the newest ripe rows: a season that comes back needs an old model.

Reads: serving/releases/ and the registry. None of them has learned from these rows, so their
answers are as honest as a new challenger's, and cost no training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.bundle import CHAMPION
from ml.dataset.frame import target_codes
from ml.errors import UserError
from ml.ledger import chain
from ml.metrics import measure
from ml.release import publish, registry
from ml.release.commands import promote_version
from ml.release.gate.comparison import about, contender
from ml.release.gate.decide import decide
from ml.release.promotion import Mandate

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd
    from mlflow.tracking import MlflowClient

    from ml.params import Params
    from ml.release.gate.decision import Decision


def promote_earlier(
    client: MlflowClient, params: Params, versions: Iterable[str], frame: pd.DataFrame, why: str
) -> str | None:
    """Promote the earlier champion that answers the newest rows best, where the gate lets it.

    Args:
        client: of the registry.
        params: the gate's settings.
        versions: that were champion before.
        frame: the newest ripe rows with their outcomes, typed; no model has learned from them.
        why: what asks for another champion.

    Returns:
        The version that was promoted; None: none passes the gate.
    """
    champion = registry.alias(client, params.name, "champion")
    here = [v for v in versions if v != champion and _may_serve(client, params.name, v)]
    if not here or champion is None:
        return None
    version = max(here, key=lambda v: _score(publish.release_folder(v), frame))
    decision = _judge(version, frame, params, len(here))
    if not decision.passed:
        return None
    because = f"{why}; version {version}, an earlier champion, answers the newest rows better"
    mandate = Mandate(because, chain.LOOP, {"gate": decision.evidence, "rows": len(frame)})
    promote_version(client, params, version, mandate)
    return version


def _may_serve(client: MlflowClient, name: str, version: str) -> bool:
    """Whether a version is here, whole, and was not taken out of service."""
    tags = registry.version_tags(client, name, version)
    if tags is None or registry.ROLLED_BACK in tags:
        return False
    try:
        return publish.is_complete(version, tags.get(registry.HASH))
    except UserError:
        return False


def _judge(version: str, frame: pd.DataFrame, params: Params, tried: int) -> Decision:
    """The gate's decision; the best of several has to show more."""
    challenger = contender(publish.release_folder(version))
    return decide(challenger, contender(CHAMPION), frame, params, tried=tried, decayed=True)


def _score(folder: Path, frame: pd.DataFrame) -> float:
    model = contender(folder)
    y = target_codes(frame, model.contract)
    return measure(str(about(model.folder)["metric"]), y, model.answer(frame))

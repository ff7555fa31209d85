"""The gate: every rule asked of a challenger; it becomes the champion when all of them hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.bundle import LINEAGE_FILE, load_bundle
from ml.dataset.frame import target_codes
from ml.errors import UserError
from ml.metrics import naive_answer, score
from ml.release.gate.bundle_rules import (
    against_baseline,
    broken,
    golden,
    latency,
    parity,
)
from ml.release.gate.calibration import calibrated
from ml.release.gate.comparison import Comparison, Contender, about, compare, reference_of
from ml.release.gate.decision import Check, Decision
from ml.release.gate.requests import same_requests
from ml.release.gate.rules import better, enough_rows, flips, not_worse, quiet
from ml.release.gate.slices import no_slice_worse
from ml.request_schema.changes import same_target

if TYPE_CHECKING:
    import pandas as pd

    from ml.params import Params


def decide(
    challenger: Contender,
    champion: Contender | None,
    frame: pd.DataFrame,
    params: Params,
    *,
    tried: int = 1,
    new_contract: bool = False,
    decayed: bool = False,
) -> Decision:
    """May the challenger become the champion, by its answers to the rows of a typed frame?

    Args:
        challenger: of a release (`ml.release.gate.comparison.contender`), new or an earlier one.
        champion: of the release that serves; None: there is none, and only the rules on the
            challenger alone are asked.
        frame: rows with their outcomes, typed by the challenger's contract. Those that either side
            was trained on are left out.
        params: `release` has the margins, `monitor` what it would call decay, `evaluate` the
            slices.
        tried: models that were compared on these rows, of which the challenger is the best.
        new_contract: requests may differ from the champion's; of another target there is then
            nothing to compare.
        decayed: outcomes have shown that the champion got worse.
    """
    checks = alone(challenger, frame, params)
    if champion is None:
        return Decision(tuple(checks), _facts(challenger, None, None))
    before, after, version = champion.contract, challenger.contract, str(_version(champion))
    checks.append(same_requests(before, after, version, allowed=new_contract))
    if not same_target(before, after):
        return Decision(tuple(checks), _facts(challenger, champion, None))
    compared = compare(challenger, champion, frame, tried)
    checks += judge(compared, params, decayed=decayed)
    return Decision(tuple(checks), _facts(challenger, champion, compared))


def alone(challenger: Contender, frame: pd.DataFrame, params: Params) -> list[Check]:
    """The checks that need no champion."""
    known, release = about(challenger.folder), params.release
    scores, naive = _scores(challenger, frame, known)
    checks = [against_baseline(known["metric"], scores, naive, release)]
    try:
        bundle = load_bundle(challenger.folder)
    except UserError as error:
        return _asked([*checks, broken(error.what)])
    return _asked([*checks, golden(bundle), parity(known.get("parity")), latency(bundle, release)])


def _scores(
    challenger: Contender, frame: pd.DataFrame, known: dict[str, Any]
) -> tuple[dict[str, float], dict[str, float]]:
    """The metrics of the challenger and of a naive answer.

    A model whose held-out rows these are was measured by the pipeline, beside its baseline. Another
    one is measured now, beside the constant that its own held-out rows suggest.
    """
    if challenger.answers is not None:
        return known["metrics"], known["baseline"]
    contract, before = challenger.contract, reference_of(challenger)
    fresh = frame[~challenger.has_seen(frame)]
    if not len(fresh):
        return {}, {}
    y = target_codes(fresh, contract)
    constant = naive_answer(y if before is None else before.outcome, contract)
    naive = np.tile(constant, (len(y), 1))
    return score(y, challenger.answer(fresh), contract), score(y, naive, contract)


def judge(compared: Comparison, params: Params, *, decayed: bool = False) -> list[Check]:
    """The checks of a comparison; only the first where the rows cannot decide."""
    release, monitor = params.release, params.monitor
    enough = enough_rows(compared, release)
    if not enough.passed:
        return [enough]
    return _asked(
        [
            enough,
            not_worse(compared, monitor),
            better(compared, release, decayed=decayed),
            no_slice_worse(compared, release, params.evaluate),
            calibrated(compared, release),
            quiet(compared, release, monitor),
            flips(compared, release),
        ]
    )


def _asked(checks: list[Check | None]) -> list[Check]:
    """Without the rules that are switched off."""
    return [check for check in checks if check is not None]


def _facts(
    challenger: Contender, champion: Contender | None, compared: Comparison | None
) -> dict[str, Any]:
    """What the decision was made of."""
    facts: dict[str, Any] = {
        "metric": about(challenger.folder)["metric"],
        "challenger": _version(challenger),
        "champion": champion and _version(champion),
    }
    if compared is None:
        return facts
    by_challenger, by_champion = compared.left_out
    return facts | {
        "fresh_rows": len(compared),
        "tried": compared.tried,
        "trained_on_by_challenger": by_challenger,
        "trained_on_by_champion": by_champion,
    }


def _version(model: Contender) -> str | None:
    path = model.folder / LINEAGE_FILE
    return str(json.loads(path.read_bytes())["version"]) if path.is_file() else None

"""The rule on fairness: no two groups are shown to be further apart than a stated tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.dataset.frame import answer_matrix, target_codes
from ml.errors import printable
from ml.fairness.pairs import Difference, differences, holm_adjusted
from ml.fairness.report import figures_of
from ml.release.gate.decision import Check
from ml.release.gate.paired import ALPHA

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ml.contract import Contract
    from ml.params import Fairness

FAIR = "groups are treated alike"
NAMED = 3  # pairs that a refusal names


def fair(held_out: pd.DataFrame, contract: Contract, settings: Fairness) -> Check | None:
    """Is no difference beyond its tolerance (`fairness.tolerance`) shown? All null: off.

    Every pair of groups of every figure that has a tolerance is tested for a difference beyond it;
    Holm's procedure over all of them keeps the chance that a version which keeps all tolerances is
    refused at 5 %.

    Args:
        held_out: the rows that the version was measured on, with its answers.
        contract: of the rows.
        settings: columns, tolerances.

    Raises:
        UserError: fairness.columns or fairness.positive names what is not there.
    """
    tolerances = settings.tolerance.stated
    if not tolerances:
        return None
    y, answer = target_codes(held_out, contract), answer_matrix(held_out, contract)
    _, figures = figures_of(held_out, y, answer, contract, settings)
    found = [each for each in differences(figures) if each.figure in tolerances]
    p_values = holm_adjusted([each.p_beyond(tolerances[each.figure]) for each in found])
    beyond = [each for each, p in zip(found, p_values, strict=True) if p <= ALPHA]
    values: dict[str, Any] = {"pairs": len(found), "tolerance": tolerances}
    values["beyond"] = [each._asdict() for each in beyond]
    then = (
        "docs/fairness.md says what can be done; `fairness.tolerance` in params.yaml has the limits"
    )
    return Check(FAIR, not beyond, _figures(found, beyond, tolerances), values, then)


def _figures(
    found: Sequence[Difference], beyond: Sequence[Difference], tolerances: dict[str, float]
) -> str:
    if not found:
        return "no two groups have enough rows to compare (fairness.columns, fairness.min_rows)"
    if not beyond:
        widest = max(found, key=lambda each: abs(each.value) - tolerances[each.figure])
        return f"of {len(found)} pairs the widest is {_words(widest, tolerances)}"
    ordered = sorted(beyond, key=lambda each: -abs(each.value))
    more = f" and {len(beyond) - NAMED} more" if len(beyond) > NAMED else ""
    return "; ".join(_words(each, tolerances) for each in ordered[:NAMED]) + more


def _words(each: Difference, tolerances: dict[str, float]) -> str:
    names = (printable(name, 30) for name in (each.column, each.first, each.second))
    column, first, second = names
    return (
        f"{each.figure} of {column} = {first} is {each.value:+.3f} from {second}, "
        f"{tolerances[each.figure]:g} is tolerated"
    )

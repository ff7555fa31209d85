"""An explanation in a plain sentence: what the answer is, and mostly why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ml.errors import display_value, printable

MOSTLY = 0.5  # of the way from the base value to the answer that "mostly" stands for
NAMED = 3  # columns in a sentence at most


def sentence(
    what: str, answer: float, base: float, is_share: bool, contributions: Sequence[dict[str, Any]]
) -> str:
    """`churned=yes: 83 %, against 27 % on average, mostly because `days_since_login` is 31`.

    Args:
        what: is explained.
        answer: the explained number.
        base: the mean answer to the reference rows.
        is_share: whether both are probabilities.
        contributions: {"column", "value", "contribution"}, the largest first.
    """
    figures = f"{_figure(answer, is_share)}, against {_figure(base, is_share)} on average"
    return f"{printable(what)}: {figures}, {because(contributions, answer - base)}."


def because(contributions: Sequence[dict[str, Any]], moved: float) -> str:
    """The columns that move the answer most in the direction in which it lies.

    "Mostly" means that they carry half of the way at least.
    """
    helping = [c for c in contributions if c["contribution"] * moved > 0]
    if not helping:
        return "and no column moves it"
    named, carried = [], 0.0
    for contribution in helping[:NAMED]:
        named.append(_reason(contribution))
        carried += contribution["contribution"]
        if carried / moved >= MOSTLY:
            return f"mostly because {_listed(named)}"
    return f"for many reasons, first that {_listed(named)}"


def _listed(reasons: Sequence[str]) -> str:
    if len(reasons) == 1:
        return reasons[0]
    return f"{', '.join(reasons[:-1])} and {reasons[-1]}"


def _reason(contribution: dict[str, Any]) -> str:
    name, value = printable(contribution["column"]), contribution["value"]
    return f"`{name}` is {shown(value)}"


def shown(value: Any) -> str:
    """A row's value in a sentence."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.7g}"
    return printable(value) if isinstance(value, str) else display_value(value)


def _figure(value: float, is_share: bool) -> str:
    return f"{100 * value:.1f} %" if is_share else f"{value:.4g}"

"""The card's section about groups of people, or of whatever a row is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.card.document import Block, Table, text
from ml.card.outcomes import FAIRNESS, with_interval

if TYPE_CHECKING:
    from ml.card.document import Cell
    from ml.card.figures import Figures

ALPHA = 0.05  # of the pairs that are named, after Holm's correction
PAIRS = 30  # of the table
NAMES = {
    "selection_rate": "selection rate",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "calibration": "calibration",
    "error": "error",
}
ENDS = ("value", "low", "high")


def fairness(figures: Figures) -> list[Block]:
    """Each figure by group, and the pairs of groups that differ."""
    groups: list[dict[str, Any]] = figures.at(FAIRNESS, "groups") or []
    if not figures.at(FAIRNESS, "columns"):
        return [text("No columns are named (fairness.columns): groups were not compared.")]
    if not groups:
        return [text("No group has enough held-out rows (fairness.min_rows).")]
    measured = [name for name in NAMES if name in groups[0]["figures"]]
    rows: list[tuple[Cell, ...]] = [
        (
            f"{group['column']} = {group['level']}",
            figures.figure(FAIRNESS, "groups", i, "rows", style="count"),
            *(_figure(figures, i, name) for name in measured),
        )
        for i, group in enumerate(groups)
    ]
    header = ("group", "rows", *(NAMES[name] for name in measured))
    return [Table(header, rows), text(_meaning(figures, measured)), *_pairs(figures)]


def _figure(figures: Figures, group: int, name: str) -> Cell:
    ends = (figures.figure(FAIRNESS, "groups", group, "figures", name, end) for end in ENDS)
    return with_interval(*ends)


def _meaning(figures: Figures, measured: list[str]) -> str:
    brackets = "In brackets: 95 % intervals of each group alone."
    if "selection_rate" in measured:
        chosen = figures.at(FAIRNESS, "positive")
        return (
            f"Selection rate: share of rows that are answered with {chosen}; true and false "
            "positive rate: the same among rows that are of it and among others; calibration: its "
            f"mean probability less its share; error: share of wrong answers. {brackets}"
        )
    return (
        "Calibration: of numbers the mean of predicted less true, in standard deviations of the "
        "outcome, of classes the mean probability of the answered one less the share that was "
        "right; error: the mean size of the one, the share of wrong answers of the other. "
        + brackets
    )


def _pairs(figures: Figures) -> list[Block]:
    """The pairs that differ after Holm's correction, the widest first."""
    pairs: list[dict[str, Any]] = figures.at(FAIRNESS, "pairs") or []
    compared = figures.figure(FAIRNESS, "compared", style="count")
    differ = [i for i, pair in enumerate(pairs) if pair["p_holm"] <= ALPHA]
    if not differ:
        return [text("Of ", compared, " differences between two groups none is shown (Holm, 5 %).")]
    widest = sorted(differ, key=lambda i: -abs(pairs[i]["difference"]))[:PAIRS]
    rows: list[tuple[Cell, ...]] = [
        (
            f"{pairs[i]['column']}: {pairs[i]['first']} less {pairs[i]['second']}",
            NAMES[pairs[i]["figure"]],
            with_interval(
                *(figures.figure(FAIRNESS, "pairs", i, n) for n in ("difference", "low", "high"))
            ),
            figures.figure(FAIRNESS, "pairs", i, "p_holm"),
        )
        for i in widest
    ]
    return [
        text("Of ", compared, " differences between two groups these are shown (Holm, 5 %):"),
        Table(("groups", "figure", "difference", "p after Holm"), rows),
    ]

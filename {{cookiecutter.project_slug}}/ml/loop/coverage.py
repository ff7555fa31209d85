"""Do outcomes keep coming? Unknown or falling label coverage lets the loop do nothing.

Whoever trains on outcomes while fewer of them come trains on a biased part of the rows. Outcomes
come late, so a window is compared with the windows before it at the same age: what had come so
long after their end. Judged is the newest ripe window that is old enough for such a comparison.

Reads: the journal (`label_cohorts`). The decision is a pure function of the cohorts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ml.journal.bulk.ripeness import LabelCohort, label_cohorts

if TYPE_CHECKING:
    import sqlalchemy as sql

    from ml.contract import Contract
    from ml.journal.bulk.scan import Span
    from ml.params import LabelCoverage

State = Literal["ok", "unknown", "falling"]
WINDOWS = 12  # that a window is compared with, at most
# of the outcomes that windows have by now, those that had come at an age: then that age is enough
SETTLED = 0.9
Z = 1.96  # of a two-sided 95 % interval


@dataclass(frozen=True)
class Coverage:
    """Whether the loop may rely on outcomes, and why.

    Args:
        state: only at `ok` the loop acts.
        why: one sentence with the figures.
        window: name of the window that was judged; None: there is none.
        share: of its rows that have an outcome, with its 95 % interval from `low` to `high`.
        before: the same share of the windows before it, at the same age.
    """

    state: State
    why: str
    window: str | None = None
    share: float | None = None
    low: float | None = None
    high: float | None = None
    before: float | None = None


def read_coverage(
    engine: sql.Engine,
    spans: Sequence[Span],
    contract: Contract,
    settings: LabelCoverage,
    moment: float,
) -> Coverage:
    """Judge the label coverage of some windows of the journal, oldest first.

    Args:
        engine: the journal's.
        spans: windows that have ended.
        contract: says when an outcome is final.
        settings: `loop.coverage` of params.yaml.
        moment: now, unix seconds.
    """
    cohorts = label_cohorts(engine, spans, contract.ripe_before(moment))
    return coverage(cohorts, moment, settings)


def coverage(cohorts: Sequence[LabelCohort], moment: float, settings: LabelCoverage) -> Coverage:
    """Judge the newest ripe cohort that is old enough to be compared with those before it."""
    ripe = [cohort for cohort in cohorts if cohort.is_ripe]
    if not ripe:
        return Coverage("unknown", "no window with answers is ripe yet")
    place = next((i for i in range(len(ripe) - 1, 0, -1) if _is_settled(ripe, i, moment)), 0)
    judged, before = ripe[place], ripe[max(0, place - WINDOWS) : place]
    if not before:
        return _alone(judged, settings)
    return _compared(judged, before, moment - judged.span.end, settings)


def _is_settled(ripe: Sequence[LabelCohort], place: int, moment: float) -> bool:
    """Whether the windows before had most of their outcomes at this window's age."""
    age, before = moment - ripe[place].span.end, ripe[max(0, place - WINDOWS) : place]
    by_now = sum(cohort.labelled for cohort in before)
    return 0 < by_now * SETTLED <= sum(cohort.labelled_at(age) for cohort in before)


def _alone(judged: LabelCohort, settings: LabelCoverage) -> Coverage:
    """The first window whose outcomes may have come: nothing is there to compare it with."""
    figures = _figures(judged)
    if judged.labelled and figures.share is not None and figures.share >= settings.min_share:
        return _with(figures, "ok", f"{_shares(judged)} have their outcome")
    words = f"only {_shares(judged)} have their outcome, in the newest window that may have them"
    return _with(figures, "unknown", words)


def _compared(
    judged: LabelCohort, before: Sequence[LabelCohort], age: float, settings: LabelCoverage
) -> Coverage:
    rows = sum(cohort.rows for cohort in before)
    labelled = sum(cohort.labelled_at(age) for cohort in before)
    figures, share = _figures(judged, labelled / rows), judged.labelled / judged.rows
    words = f"{_shares(judged)} have their outcome, {labelled / rows:.1%} in the windows before"
    p_value = p_lower(judged.labelled, judged.rows, labelled, rows)
    if labelled / rows - share >= settings.max_drop and p_value < settings.false_alarm:
        return _with(figures, "falling", f"{words} at the same age")
    if not judged.labelled or wilson(judged.labelled, judged.rows)[1] < settings.min_share:
        return _with(figures, "falling", f"{words}: less than {settings.min_share:.0%}")
    return _with(figures, "ok", words)


def _figures(judged: LabelCohort, before: float | None = None) -> Coverage:
    low, high = wilson(judged.labelled, judged.rows)
    share = judged.labelled / judged.rows
    return Coverage("unknown", "", judged.span.name, share, low, high, before)


def _with(figures: Coverage, state: State, words: str) -> Coverage:
    why = f"{figures.window}: {words}"
    return Coverage(
        state, why, figures.window, figures.share, figures.low, figures.high, figures.before
    )


def _shares(judged: LabelCohort) -> str:
    return f"{judged.labelled:,} of {judged.rows:,} answers"


def p_lower(labelled: int, rows: int, labelled_before: int, rows_before: int) -> float:
    """Probability of so few outcomes, or fewer, if the share is that of the rows before.

    Fisher's exact test, one-sided (Fisher 1935).
    """
    from scipy.stats import hypergeom

    drawn = hypergeom(rows + rows_before, labelled + labelled_before, rows)
    return float(drawn.cdf(labelled))


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of k in n (Wilson 1927)."""
    share, spread = k / n, Z * Z / n
    middle = (share + spread / 2) / (1 + spread)
    reach = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, middle - reach), min(1.0, middle + reach)

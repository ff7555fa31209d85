"""Both models' answers to the same rows since a promotion: their losses, and answers far out.

Reads: the journal, the answers of the champion and those of the shadow beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.journal.bulk.pairs import Pairs, pairs
from ml.journal.bulk.scan import Span
from ml.loop.probation.decision import Clock, Strays, quality_clock

if TYPE_CHECKING:
    import sqlalchemy as sql
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.monitoring.inputs.reference import Champion
    from ml.params import Probation

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """What the journal says of a probation."""

    clock: Clock
    strays: Strays


def read_quality(
    engine: sql.Engine, champion: Champion, before: str, span: Span, settings: Probation
) -> Quality:
    """Compare the champion with the one before on the rows of a span that both answered.

    Args:
        engine: the journal's.
        champion: the new one.
        before: version of the champion before, whose answers are those of the shadow.
        span: from the promotion to now.
        settings: `loop.probation` of params.yaml.
    """
    both = pairs(engine, span, champion.contract, champion.version, before)
    known = ~np.isnan(both.outcome) & (both.at < champion.contract.ripe_before(span.end))
    new, old = (losses(a[known], both.outcome[known], champion.contract) for a in both.answers)
    scale = 1.0 if champion.contract.is_classification else float(old.mean()) if len(old) else 1.0
    return Quality(quality_clock(new, old, settings, scale), strays(both, champion))


def losses(answer: Floats, outcome: Floats, contract: Contract) -> Floats:
    """1 for a wrong class, or the absolute error of a number; shape (n,)."""
    if contract.is_classification:
        wrong: Floats = (answer.argmax(axis=1) != outcome).astype(np.float64)
        return wrong
    return np.abs(answer[:, 0] - outcome)


def strays(both: Pairs, champion: Champion) -> Strays:
    """Numbers that lie further beyond the held-out rows' answers than those are apart."""
    if champion.contract.is_classification:  # a probability cannot be out of its range
        return Strays()
    known = champion.answer[:, 0]
    width = known.max() - known.min()
    low, high = known.min() - width, known.max() + width
    new, old = (int(((a[:, 0] < low) | (a[:, 0] > high)).sum()) for a in both.answers)
    return Strays(len(both.at), new, old)

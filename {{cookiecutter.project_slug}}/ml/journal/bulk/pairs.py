"""Two models' answers to the same rows: the champion's, and the shadow's beside them.

Reads: the journal. Writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sql

from ml.journal.bulk.chunk import Entries, RowForm, chunk_of, entries_of
from ml.journal.bulk.scan import CHUNK, Fetched, Span, fetched, inside
from ml.journal.records import CHAMPION, SHADOW, SHADOW_SUFFIX
from ml.journal.schema import PREDICTIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Contract

    Floats = NDArray[np.float64]

SHADOWS = PREDICTIONS.alias("shadows")


@dataclass(frozen=True)
class Pairs:
    """Rows that both models answered, oldest first.

    `at` (n,) unix seconds of the champion's answer; `answers` of champion and shadow, each
    (n, classes) probabilities or (n, 1) values; `outcome` (n,) class codes or values, NaN where
    none has come.
    """

    at: Floats
    answers: tuple[Floats, Floats]
    outcome: Floats


def pairs(engine: sql.Engine, span: Span, contract: Contract, champion: str, shadow: str) -> Pairs:
    """The rows of a span that one version answered and another one scored.

    Args:
        engine: the journal's.
        span: by the moment of the champion's answer.
        contract: of both.
        champion: the version that answered.
        shadow: the version that scored the copies.
    """
    form = RowForm(contract)
    parts = [_of(part, form) for part in fetched(engine, _query(span, champion, shadow), CHUNK)]
    if not parts:
        none = np.empty((0, len(contract.target.classes) or 1))
        return Pairs(np.empty(0), (none, none), np.empty(0))
    at, ours, theirs, outcome = map(np.concatenate, zip(*parts, strict=True))
    return Pairs(at, (ours, theirs), outcome)


def _query(span: Span, champion: str, shadow: str) -> sql.Select[Any]:
    """The champion's columns as `Entries` has them, the shadow's two answers before the rows."""
    ours, theirs = PREDICTIONS.c, SHADOWS.c
    columns = {
        **{name: ours[name] for name in Entries._fields},
        "features": sql.literal(None).label("features"),
    }
    rows = columns.pop("rows")
    beside = (theirs.prediction.label("scored"), theirs.probabilities.label("scored_probabilities"))
    is_beside = theirs.prediction_id == ours.prediction_id + SHADOW_SUFFIX
    query = sql.select(*columns.values(), *beside, rows).join_from(PREDICTIONS, SHADOWS, is_beside)
    return query.where(
        *inside(span),
        ours.role == CHAMPION,
        ours.version == champion,
        theirs.role == SHADOW,
        theirs.version == shadow,
        theirs.rows == ours.rows,
    ).order_by(ours.prediction_id)


def _of(part: Fetched, form: RowForm) -> tuple[Floats, Floats, Floats, Floats]:
    """Moments, both models' answers, and outcomes of some entries."""
    rows, labels = part
    ours = entries_of([(*row[:6], row[-1]) for row in rows])
    theirs = ours._replace(
        prediction=tuple(row[6] for row in rows), probabilities=tuple(row[7] for row in rows)
    )
    answered = chunk_of(ours, labels, form, features=False)
    scored = chunk_of(theirs, {}, form, features=False)
    return answered.at, answered.answer, scored.answer, answered.outcome

"""Which answers are ripe, and how many of those have their outcome, window by window.

An answer is ripe when its outcome can no longer change: `matures_after` of the contract's target
after it was given. Earlier outcomes are a biased sample (who leaves, leaves early), so unripe rows
count neither as quality nor as training data.

Reads: the journal (JOURNAL_URL). Writes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import sqlalchemy as sql

from ml.clock import now
from ml.contract import Contract
from ml.journal.bulk.scan import IS_LABELLED, Span, inside, labelled_inside
from ml.journal.records import CHAMPION
from ml.journal.schema import LABELS, PREDICTIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


PAIRS_AT_ONCE = 50_000


def ripe_limit(contract: Contract) -> float:
    """The moment before which answers are ripe now; all are where outcomes are final at once."""
    return contract.ripe_before(now()) if contract.target.matures_after != "0" else math.inf


@dataclass(frozen=True)
class LabelCohort:
    """The champion's answers of one window, and when their outcomes came.

    Args:
        span: the window.
        rows: answers in it.
        ripe: those whose outcome can no longer change.
        delays: of each ripe answer that has an outcome the seconds from the end of the window to
            its first one, ascending; below 0 where it came before that end.
    """

    span: Span
    rows: int
    ripe: int
    delays: Floats

    @property
    def labelled(self) -> int:
        """Ripe answers that have an outcome."""
        return len(self.delays)

    @property
    def is_ripe(self) -> bool:
        """Whether the whole window is ripe."""
        return 0 < self.rows == self.ripe

    def labelled_at(self, age: float) -> int:
        """Ripe answers that had an outcome so many seconds after the end of the window."""
        return int(np.searchsorted(self.delays, age, side="right"))


def label_cohorts(
    engine: sql.Engine, spans: Sequence[Span], ripe_before: float
) -> list[LabelCohort]:
    """The cohorts of some windows, in their order.

    Args:
        engine: the journal's.
        spans: windows of the journal.
        ripe_before: answers before this moment are ripe (`ripe_limit`).
    """
    if not spans:
        return []
    # one look at the journal for all windows, which are neighbours as a rule
    whole = Span(min(s.start for s in spans), max(s.end for s in spans))
    with engine.connect() as connection:
        answers = _pairs(connection, _answers(whole))
        labelled = _pairs(connection, _first_labels(whole))
    return [_cohort(span, answers, labelled, ripe_before) for span in spans]


def _pairs(connection: sql.Connection, query: sql.Select[float, float]) -> Floats:
    """A query's two columns, shape (n, 2): 16 bytes of memory for each row."""
    is_sqlite = connection.dialect.name == "sqlite"
    options: dict[str, Any] = {} if is_sqlite else {"yield_per": PAIRS_AT_ONCE}
    result: Any = connection.execute(query, execution_options=options)
    cursor = result.cursor if is_sqlite else result
    parts = [np.empty((0, 2))]
    while rows := cursor.fetchmany(PAIRS_AT_ONCE):
        # numpy takes twenty times as long to look through SQLAlchemy's rows as through tuples
        parts.append(np.array(rows if is_sqlite else [tuple(row) for row in rows], np.float64))
    return np.concatenate(parts)


def _answers(span: Span) -> sql.Select[float, float]:
    """When each request was answered, and its rows."""
    column = PREDICTIONS.c
    query = sql.select(column.at, column.rows).where(*inside(span), column.role == CHAMPION)
    return cast("sql.Select[float, float]", query)


def _first_labels(span: Span) -> sql.Select[float, float]:
    """When each answer that has an outcome was given, and when its first outcome came."""
    columns = sql.func.min(PREDICTIONS.c.at), sql.func.min(LABELS.c.at)
    came = sql.select(*columns).join_from(PREDICTIONS, LABELS, IS_LABELLED)
    of_champion = came.where(*inside(span), *labelled_inside(span), PREDICTIONS.c.role == CHAMPION)
    return of_champion.group_by(LABELS.c.prediction_id)


def _cohort(span: Span, answers: Floats, labelled: Floats, ripe_before: float) -> LabelCohort:
    ripe = Span(span.start, min(span.end, ripe_before))
    delays = np.sort(_in(ripe, labelled) - span.end)
    return LabelCohort(span, int(_in(span, answers).sum()), int(_in(ripe, answers).sum()), delays)


def _in(span: Span, pairs: Floats) -> Floats:
    """The second values of the pairs whose first lies in the span."""
    at, values = pairs[:, 0], pairs[:, 1]
    inside_it: Floats = values[(at >= span.start) & (at < span.end)]
    return inside_it


def unripe_rows(engine: sql.Engine, span: Span, version: str, ripe_before: float) -> int:
    """Answers of a version in a window whose outcome can still change."""
    if ripe_before >= span.end:
        return 0
    young = Span(max(span.start, ripe_before), span.end)
    counted = sql.select(sql.func.sum(PREDICTIONS.c.rows)).where(*inside(young))
    with engine.connect() as connection:
        return int(connection.scalar(counted.where(PREDICTIONS.c.version == version)) or 0)

"""A probation from its beginning to its end; the decision itself is `ml.loop.probation.decision`.

`begin` notes what the service counted before the promotion and links the champion before as
serving/challenger, where it goes on scoring the same requests and answers what the new one fails
at. `judge` reads both clocks. `end` takes the link away.
Reads: the service's /metrics, the journal. Writes: the link serving/challenger, the readings in
serving/probation.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.atomic import replace_link, write_json
from ml.bundle import CHALLENGER, CHAMPION, RELEASES, load_bundle
from ml.errors import UserError
from ml.journal.bulk.scan import Span
from ml.loop.probation.decision import Clock, Judgement, decide, service_clock
from ml.loop.probation.quality_clock import read_quality
from ml.loop.probation.service_clock import Reading, address, counts, read_service, reading_of

if TYPE_CHECKING:
    import sqlalchemy as sql

    from ml.monitoring.inputs.reference import Champion
    from ml.params import Params

READINGS = CHAMPION.with_name("probation.json")


@dataclass(frozen=True)
class Promoted:
    """The promotion that is on probation.

    Args:
        version: the new champion.
        before: the champion before it.
        since: when it began to answer, unix seconds.
    """

    version: str
    before: str
    since: float


def begin(promoted: Promoted, params: Params) -> str | None:
    """Note the service's counters and link the champion before; again: nothing more happens.

    Best called just before the promotion: what is counted until then is not charged.

    Returns:
        Why there is no probation, or None. Without one, nothing is linked.
    """
    if not params.loop.probation.max_days:
        return "loop.probation.max_days: 0"
    try:
        load_bundle(RELEASES / promoted.before)
    except UserError as error:
        return error.what
    replace_link(CHALLENGER, Path(RELEASES.name) / promoted.before)
    if not _load(promoted):
        _read(promoted, params, promoted.since)
    return None


def end() -> None:
    """Take the old champion's link and the readings away."""
    CHALLENGER.unlink(missing_ok=True)
    READINGS.unlink(missing_ok=True)


def judge(
    engine: sql.Engine, champion: Champion, promoted: Promoted, params: Params, moment: float
) -> Judgement:
    """What both clocks say now. A service that does not answer is neither pass nor fail.

    Args:
        engine: the journal's.
        champion: the new champion, as the monitor reads it.
        promoted: the promotion.
        params: the project's settings.
        moment: now, unix seconds.
    """
    settings = params.loop.probation
    span = Span(promoted.since, moment)
    quality = read_quality(engine, champion, promoted.before, span, settings)
    readings, problem = _read(promoted, params, moment)
    before, parts = counts(readings)
    service = service_clock(before, parts, quality.strays, settings)
    if problem and service.state != "bad":
        service = Clock("unknown", problem, service.figures)
    return decide(service, quality.clock, moment - promoted.since, settings)


def _read(promoted: Promoted, params: Params, moment: float) -> tuple[list[Reading], str | None]:
    """All readings with a new one, and why the new one is missing or of another version."""
    readings = _load(promoted)
    try:
        newest = read_service(address(params), moment)
    except UserError as error:
        return readings, error.what
    # the first one is of the time before: whichever version answered then
    if readings and newest.version != promoted.version:
        return readings, f"the service answers with version {newest.version}"
    readings = [*readings, newest]
    _save(promoted, readings)
    return readings, None


def _load(promoted: Promoted) -> list[Reading]:
    """The readings of this promotion; none where the file is of another one or cannot be read."""
    try:
        values: dict[str, Any] = json.loads(READINGS.read_text(encoding="utf-8"))
        if (values["version"], values["before"]) != (promoted.version, promoted.before):
            return []
        return [reading_of(reading) for reading in values["readings"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _save(promoted: Promoted, readings: Sequence[Reading]) -> None:
    values = {
        "version": promoted.version,
        "before": promoted.before,
        "readings": [reading.as_json() for reading in readings],
    }
    write_json(READINGS, values)

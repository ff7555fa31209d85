"""A challenger beside the champion: scores a copy of the traffic or answers a share of it.

The first is called a shadow, the second a canary. What the champion fails at, either answers.
Reads: serving/challenger, a link like serving/champion (`ml challenge 7`, `ml challenge off`); the
loop links the champion before while a new one is on probation. Without the link nothing is scored,
copied or slower.
Whatever it does, callers get an answer: what it fails at, the champion answers. All are in the
journal under their role, for `ml compare` to weigh.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Sequence
from queue import Full, Queue
from typing import Literal

from ml.journal.records import CANARY, FALLBACK, SHADOW, SHADOW_SUFFIX, Record
from ml.journal.store import Journal, JournalError
from ml.request_schema.changes import breaking_changes
from ml.request_schema.objects import Row
from ml.serving.inference.predictor import Answer, Predictor
from ml.serving.logs import without_values
from ml.serving.metrics import Metrics

WAITING = 1000  # requests that wait for the shadow at most; beyond it they are left out

Mode = Literal["off", "shadow", "canary"]
Copy = tuple[Sequence[Row], Sequence[Record]]

log = logging.getLogger(__name__)


class Challenger:
    """The second model's part of the traffic.

    Args:
        mode: off, shadow or canary.
        share: of the canary, 0 to 1.
        metrics: counts its rows and failures.
    """

    def __init__(self, mode: Mode, share: float, metrics: Metrics) -> None:
        self._share = share
        self._metrics = metrics
        self._is_canary = mode == "canary"
        self.served: Predictor | None = None
        self._compared: tuple[Predictor, Predictor] | None = None
        self._is_alike = False
        self._copies: Queue[Copy | None] = Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._is_shadow = mode == "shadow"
        self.is_on = mode != "off"

    def open(self, journal: str) -> None:
        """Start scoring copies, in a thread with a journal connection of its own."""
        if self._is_shadow:
            self._thread = threading.Thread(
                target=self._score, args=(journal,), name="shadow", daemon=True
            )
            self._thread.start()

    def answer(self, champion: Predictor, requests: Sequence[Sequence[Row]]) -> list[Answer]:
        """Both models' answers to some requests. The challenger answers the canary's share.

        The share is sticky: rows with the same id go the same way, whatever worker they reach.
        """
        served = self.served
        if not self._is_canary or served is None or not self._takes_requests_of(champion, served):
            return champion.answer(requests)
        return [self._split(champion, served, rows) for rows in requests]

    def _split(self, champion: Predictor, served: Predictor, rows: Sequence[Row]) -> Answer:
        """The challenger's answers to its share of some rows, the champion's to the others."""
        chosen = [i for i, row_id in enumerate(champion.ids(rows)) if bucket(row_id) < self._share]
        canary = self._canary(served, [rows[i] for i in chosen]) if chosen else None
        if canary is None:
            return champion.answer([rows])[0]
        rest = sorted(set(range(len(rows))).difference(chosen))
        others = champion.answer([[rows[i] for i in rest]])[0]
        texts = dict(zip([*chosen, *rest], [*canary.texts, *others.texts], strict=True))
        return Answer([*others.entries, *canary.entries], [texts[i] for i in range(len(rows))])

    def _canary(self, served: Predictor, rows: Sequence[Row]) -> Answer | None:
        try:
            return served.answer([[dict(row) for row in rows]], CANARY)[0]
        except Exception as error:  # whatever it is, the champion answers
            self._failed(error)
            return None

    def fallback(
        self, champion: Predictor, rows: Sequence[Row], failure: Exception
    ) -> Answer | None:
        """The answer to a request that the champion failed at; None: there is none here either."""
        served = self.served
        if served is None or not self._takes_requests_of(champion, served):
            return None
        try:
            answer = served.answer([[dict(row) for row in rows]], FALLBACK)[0]
        except Exception as error:
            self._failed(error)
            return None
        # a predictor raises it at an answer that is no finite number
        reason = "not_finite" if isinstance(failure, ArithmeticError) else "raised"
        self._metrics.fallback_answers.labels(reason).inc()
        log.warning(
            "version %s failed, version %s answered: %s",
            champion.bundle.version,
            served.bundle.version,
            without_values(failure),
        )
        return answer

    def _takes_requests_of(self, champion: Predictor, served: Predictor) -> bool:
        """Whether the challenger can answer what is valid for the champion; looked at once."""
        if self._compared != (champion, served):
            self._compared = champion, served
            of_champion, of_served = champion.bundle.contract, served.bundle.contract
            self._is_alike = not breaking_changes(of_champion, of_served)
        return self._is_alike

    @property
    def takes_copies(self) -> bool:
        """Whether there is a shadow to score them."""
        return self._is_shadow and self.served is not None

    def copy(self, rows: Sequence[Row], entries: Sequence[Record]) -> None:
        """Leave a copy of an answered request for the shadow; never waits."""
        try:
            self._copies.put_nowait((rows, entries))
        except Full:
            self._metrics.challenger_failures.labels("left out").inc()

    def _score(self, url: str) -> None:
        journal: Journal | None = None  # connected when a challenger has something to write
        while (copy := self._copies.get()) is not None:
            served = self.served
            if served is None:
                continue
            try:
                journal = journal or Journal(url)
                journal.append(_shadow_entries(served, copy))
                self._metrics.answered(served.bundle.version, SHADOW, len(copy[0]))
            except (Exception, JournalError) as error:  # nobody waits for it
                self._failed(error)
        if journal is not None:
            journal.close()

    def _failed(self, error: Exception) -> None:
        self._metrics.challenger_failures.labels(type(error).__name__).inc()
        log.warning("the challenger failed: %s", without_values(error))

    def close(self) -> None:
        """Score the copies that wait, then end."""
        if self._thread is not None:
            self._copies.put(None)
            self._thread.join(timeout=10)


def bucket(row_id: str) -> float:
    """A row's place in [0, 1), the same for the same id."""
    return zlib.crc32(row_id.encode()) / 2**32


def _shadow_entries(served: Predictor, copy: Copy) -> list[Record]:
    """The journal's entries of a copied request, each beside the champion's."""
    rows, entries = copy
    (scored,) = served.answer([[dict(row) for row in rows]], SHADOW)
    return [_beside(s, e) for s, e in zip(scored.entries, entries, strict=True)]


def _beside(scored: Record, answered: Record) -> Record:
    return scored._replace(
        prediction_id=answered.prediction_id + SHADOW_SUFFIX, at=answered.at, row_id=answered.row_id
    )

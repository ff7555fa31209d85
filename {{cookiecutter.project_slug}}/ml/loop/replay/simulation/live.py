"""One window after the other through the service: rows, answers, labels, the loop's pass.

Runs in the copy of the project, under its clock (ML_CLOCK). What is remembered of a window is its
answers: nothing here grows with the stream but the list of windows.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml import clock
from ml.bundle import CHAMPION
from ml.dataset.frame import rows_of_frame
from ml.errors import UserError
from ml.journal.bulk.scan import Span
from ml.ledger import chain
from ml.loop.replay.options import BATCH
from ml.loop.run import run_pass
from ml.release.commands import approve

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.loop.replay.options import Options
    from ml.loop.replay.simulation.service import Client
    from ml.loop.replay.simulation.stream import Slice

FOLLOW_SECONDS = 15.0  # for the service to follow a promotion
_LOOK_SECONDS = 0.05


@dataclass
class Lived:
    """What came of one window.

    Args:
        slice: its rows.
        ids: prediction ids (n,); None where the service refused the row.
        answer: (n, classes) probabilities or (n, 1) values; NaN where it was refused.
        versions: that answered, (n,).
        verdict: the monitor's word.
        evidence: its reasons.
        action: what the loop did.
        why: it did so.
        decided: the version that the loop had chosen when the window began.
        entries: what the ledger says about it.
        seconds: what it took in real time.
    """

    slice: Slice
    ids: list[str | None]
    answer: NDArray[np.float64]
    versions: NDArray[np.object_]
    verdict: str = ""
    evidence: tuple[str, ...] = ()
    action: str = ""
    why: str = ""
    decided: str = ""
    entries: tuple[chain.Entry, ...] = ()
    seconds: float = 0.0

    @property
    def champion(self) -> str:
        """The version that answered most of the rows; empty: all were refused."""
        names, counts = np.unique([v for v in self.versions if v], return_counts=True)
        return str(names[counts.argmax()]) if len(names) else ""


def move_clock(moment: float) -> float:
    """Move the clock forward to a moment; it never goes back. The moment that it then shows."""
    reached = max(moment, clock.now())
    clock.set_clock(Path(os.environ[clock.VARIABLE]), reached)
    return reached


@dataclass
class Life:
    """A stream's windows lived one after the other.

    Args:
        client: of the service.
        contract: what a row is.
        options: the lags.
    """

    client: Client
    contract: Contract
    options: Options
    lived: list[Lived] = field(default_factory=list)
    _waiting: dict[int, list[str]] = field(default_factory=dict)  # by the window of its approval

    def window(self, window: Slice) -> Lived:
        """Send the rows, deliver the labels that are due, judge, act."""
        began = time.perf_counter()
        start, decided = move_clock(window.start), self.decided()
        lived = self._answers(window)
        lived.decided = decided
        self.lived.append(lived)
        self._deliver(window.number - self.options.lag)
        known = len(chain.entries())
        self._judge(lived, Span(start, move_clock(window.end)))
        self.wait_for_approval(window.number, chain.entries()[known:])
        self.approve_due(window.number)
        lived.entries = tuple(chain.entries()[known:])
        self._follow()
        lived.seconds = time.perf_counter() - began
        return lived

    def _answers(self, window: Slice) -> Lived:
        answers: list[dict[str, Any] | None] = []
        rows = _requests(window.rows, self.contract)
        for begin in range(0, len(rows), BATCH):
            part = slice(begin, begin + BATCH)
            move_clock(float(window.moments[part][-1]))
            answers += self.client.predict(rows[part])
        return Lived(
            window,
            ids=[answer["prediction_id"] if answer else None for answer in answers],
            answer=answer_matrix(answers, self.contract),
            versions=np.array([a["model_version"] if a else "" for a in answers], dtype=object),
        )

    def _deliver(self, number: int) -> None:
        """The labels of that window of the stream."""
        for lived in self.lived:
            if lived.slice.number == number:
                outcomes = lived.slice.rows[self.contract.target.name].tolist()
                pairs = zip(lived.ids, outcomes, strict=True)
                self.client.label([(i, outcome) for i, outcome in pairs if i is not None])

    def _judge(self, lived: Lived, span: Span) -> None:
        outcome = run_pass(span)
        lived.verdict = outcome.verdict.verdict
        lived.evidence = tuple(outcome.verdict.evidence)
        lived.action, lived.why = outcome.action, outcome.why

    def wait_for_approval(self, number: int, entries: Sequence[chain.Entry]) -> None:
        """Note the versions that wait from this window on."""
        due = self._waiting.setdefault(number + self.options.deploy_lag, [])
        due += [e.to_version for e in entries if e.action == chain.WAIT and e.to_version]

    def approve_due(self, number: int) -> None:
        """Approve the versions that have waited so long as a deployment takes."""
        for version in self._waiting.pop(number, []):
            approve(version)

    def decided(self) -> str:
        """The version that the loop has chosen: one that waits to be deployed, or the champion."""
        waiting = [version for versions in self._waiting.values() for version in versions]
        return waiting[-1] if waiting else CHAMPION.resolve().name

    def _follow(self) -> None:
        """Wait until the service answers with the champion; real time stands for none here."""
        champion, until = CHAMPION.resolve().name, time.monotonic() + FOLLOW_SECONDS
        while self.client.version() != champion:
            if time.monotonic() > until:
                raise UserError(
                    f"the service does not follow to version {champion}", "look into its log"
                )
            time.sleep(_LOOK_SECONDS)


def _requests(frame: pd.DataFrame, contract: Contract) -> list[dict[str, Any]]:
    """The rows as requests carry them, with their own ids."""
    rows = rows_of_frame(frame, contract)
    if contract.id and contract.id in frame:
        for row, name in zip(rows, frame[contract.id], strict=True):
            row[contract.id] = None if name is None or name != name else str(name)
    return rows


def answer_matrix(
    answers: Sequence[dict[str, Any] | None], contract: Contract
) -> NDArray[np.float64]:
    """Probabilities (n, classes) or values (n, 1) of the service's answers; NaN where none is."""
    classes = contract.target.classes
    matrix = np.full((len(answers), len(classes) or 1), np.nan)
    for i, answer in enumerate(answers):
        if answer:
            matrix[i] = (
                [answer["probabilities"][name] for name in classes]
                if classes
                else answer["prediction"]
            )
    return matrix

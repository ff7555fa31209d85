"""What other policies would have answered on the same windows: their loss on each row.

They are plain scikit-learn in this process: no pipeline, gate or service. A refitted model has the
kind and the settings of the first version, and learns from as many of the newest rows as that one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.dataset.frame import encode_frame, target_codes
from ml.encode import Encoder
from ml.loop.replay.totals import absolute_error, brier
from ml.metrics import answers, naive_answer
from ml.model import make_model
from ml.pipeline.train import few_threads, stopping

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.encode import Matrix
    from ml.loop.replay.totals import Values
    from ml.params import Train

Answer = np.ndarray  # (n, classes) or (n, 1)


@dataclass(frozen=True)
class Rows:
    """Encoded rows (n, k) with their targets (n,)."""

    x: Matrix
    y: NDArray[Any]


def encoded(frame: pd.DataFrame, contract: Contract) -> Rows:
    """A typed frame as rows."""
    return Rows(encode_frame(frame, Encoder(contract)), target_codes(frame, contract))


def row_losses(y: NDArray[Any], answer: NDArray[Any], contract: Contract) -> Values:
    """The loss of each row (n,): see `ml.loop.replay.story`."""
    return brier(y, answer) if contract.is_classification else absolute_error(y, answer)


@dataclass(frozen=True)
class Baselines:
    """The policies on one stream.

    Args:
        first: rows of the first version, in order.
        windows: the stream's, in order.
        contract: what a row is.
        params: the settings of the first version, its kind among them.
        lag: windows between a window's end and its labels.
    """

    first: Rows
    windows: Sequence[Rows]
    contract: Contract
    params: Train
    lag: int
    _models: dict[int, Any] = field(default_factory=dict)  # by known windows

    def known(self, place: int, lag: int) -> int:
        """How many windows are labelled when the window at a place (from 0) begins."""
        return max(place - lag, 0)

    @cached_property
    def _all(self) -> Rows:
        parts = [self.first, *self.windows]
        return Rows(np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts]))

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """Rows up to the end of the first so many windows (windows + 1,)."""
        sizes = [len(self.first.y), *(len(window.y) for window in self.windows)]
        return np.cumsum(sizes)

    def refitted(self, lag: int) -> list[Values]:
        """Refitted before each window on the newest rows whose labels are known."""
        return [self._refitted(place, lag) for place in range(len(self.windows))]

    def _refitted(self, place: int, lag: int) -> Values:
        model = self._model(self.known(place, lag))
        return self._losses(place, answers(model, self.windows[place].x, self.contract))

    def _model(self, known: int) -> Any:
        """Fitted on the newest rows up to the end of so many windows, once for all lags."""
        if known not in self._models:
            end = self._ends[known]
            rows = slice(end - len(self.first.y), end)
            x, y = self._all.x[rows], self._all.y[rows]
            with few_threads(x, self.params):
                model = make_model(self.contract, stopping(y, self.contract, self.params))
                self._models[known] = model.fit(x, y)
        return self._models[known]

    def lagged_value(self) -> list[Values]:
        """The latest outcome that was known when the window began."""
        return [self._constant(place, self._latest(place)) for place in range(len(self.windows))]

    def _latest(self, place: int) -> NDArray[np.float64]:
        end = self._ends[self.known(place, self.lag)]
        return naive_answer(self._all.y[end - 1 : end], self.contract)

    def naive(self) -> list[Values]:
        """Class shares or mean of the newest labelled window."""
        return [self._constant(place, self._shares(place)) for place in range(len(self.windows))]

    def _shares(self, place: int) -> NDArray[np.float64]:
        known = self.known(place, self.lag)
        end = self._ends[known]
        newest = len(self.windows[known - 1].y) if known else len(self.windows[0].y)
        return naive_answer(self._all.y[max(end - newest, 0) : end], self.contract)

    def _constant(self, place: int, answer: NDArray[np.float64]) -> Values:
        return self._losses(place, np.tile(answer, (len(self.windows[place].y), 1)))

    def _losses(self, place: int, answer: NDArray[Any]) -> Values:
        return row_losses(self.windows[place].y, answer, self.contract)

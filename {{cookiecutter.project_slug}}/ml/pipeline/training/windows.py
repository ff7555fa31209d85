"""How far back the training rows reach: expanding (all rows) or sliding (the newest ones).

Where a relation changes, old rows teach what no longer holds; where it does not, more rows are
better. So the data choose: a model is fitted on each window, and the held-out rows, the newest that
none of them has seen, decide (Gama et al. 2014, "A survey on concept drift adaptation").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.metrics import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml.bundle import Answer
    from ml.contract import Contract
    from ml.pipeline.training.rows import Rows

LEAST_ROWS = 100  # of a window; fewer teach too little to compare
LEAST_CLASS_ROWS = 5  # of each class in a window


def usable(windows: Sequence[int], y: NDArray[Any], contract: Contract) -> list[int]:
    """Numbers of newest rows to fit on, the longest window first; all rows where none is usable.

    Args:
        windows: numbers of newest rows, 0 for all.
        y: (n,) targets of the training rows, oldest first.
        contract: names the classes, of which each must occur in a window.
    """
    asked = {min(rows, len(y)) or len(y) for rows in windows}
    fitting = [rows for rows in asked if rows >= LEAST_ROWS and _teaches(y[-rows:], contract)]
    return sorted(fitting, reverse=True) or [len(y)]


def _teaches(y: NDArray[Any], contract: Contract) -> bool:
    classes = len(contract.target.classes)
    return not classes or int(np.bincount(y, minlength=classes).min()) >= LEAST_CLASS_ROWS


def choose_window(
    windows: Sequence[int],
    model_of: Callable[[int], Answer],
    held_out: Rows | None,
    metric: str,
) -> tuple[int, dict[str, float]]:
    """The window whose model answers the held-out rows best, and each one's metric.

    Without a choice it is the longest, and no metric is measured.

    Args:
        windows: numbers of newest rows, the longest first: it wins where two are equal.
        model_of: gives the model that was fitted on a window.
        held_out: the rows that none of the models has seen.
        metric: higher is better.
    """
    if held_out is None or len(windows) == 1:
        return windows[0], {}
    scores = {n: measure(metric, held_out.y, model_of(n)(held_out.x)) for n in windows}
    best = max(scores, key=lambda n: np.nan_to_num(scores[n], nan=-np.inf))
    return best, {str(n): score for n, score in scores.items()}

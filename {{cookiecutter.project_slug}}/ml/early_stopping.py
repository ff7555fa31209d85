"""LightGBM's estimators, stopping by themselves as scikit-learn's boosting does.

LightGBM stops early only on rows that `fit` is given, which a Pipeline's last step never gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightgbm import LGBMClassifier, LGBMRegressor, early_stopping

if TYPE_CHECKING:
    from collections.abc import Iterable

HELD_BACK = 0.1  # of the rows
PATIENCE = 10  # trees without a better loss on them


class StoppingClassifier(LGBMClassifier):  # type: ignore[misc]
    """A classifier with as many trees as the held-back rows ask for."""

    def fit(self, x: Any, y: Any, **settings: Any) -> StoppingClassifier:
        """Fit on nine tenths of the rows of each class, stop on the others."""
        super().fit(**_shared(x, y, self.random_state, stratify=y), **settings)
        return self


class StoppingRegressor(LGBMRegressor):  # type: ignore[misc]
    """A regressor with as many trees as the held-back rows ask for."""

    def fit(self, x: Any, y: Any, **settings: Any) -> StoppingRegressor:
        """Fit on nine tenths of the rows, stop on the others."""
        super().fit(**_shared(x, y, self.random_state), **settings)
        return self


def trees_to_keep(losses: Iterable[float]) -> int:
    """How many trees are kept of a fit that did not stop: what stopping would have left.

    Args:
        losses: of the held-back rows, after each tree.
    """
    best, trees = float("inf"), 1
    for number, loss in enumerate(losses, start=1):
        if loss < best:
            best, trees = loss, number
        elif number - trees >= PATIENCE:
            break
    return trees


def _shared(x: Any, y: Any, seed: Any, stratify: Any = None) -> dict[str, Any]:
    """The arguments of LightGBM's `fit`: rows to learn from, rows to stop on."""
    from sklearn.model_selection import train_test_split

    x, x_held, y, y_held = train_test_split(
        x, y, test_size=HELD_BACK, random_state=seed, stratify=stratify
    )
    stop = early_stopping(PATIENCE, verbose=False)
    return {"X": x, "y": y, "eval_X": x_held, "eval_y": y_held, "callbacks": [stop]}

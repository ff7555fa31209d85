"""A worker's share of a LightGBM fit: its rows, while LightGBM's own network joins the shares.

Every worker builds the same trees, from sums over the rows of all. None of them stops early: each
would decide by its own held-back rows, and the others would wait for it. They measure the loss
there after each tree, and the trees beyond the best are cut off afterwards.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

from ml.scale.limit import limited

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.encode import Matrix
    from ml.scale.shares import Seat

# from one tree to the next, and before the first: a share whose neighbour is gone may wait for it
# for ever, and then this process ends. LightGBM itself waits as long for one that says nothing
QUIET_MINUTES = 10
OF_THE_NETWORK = ("ocket", "onnect", "inding port")  # in LightGBM's words for what went wrong


@dataclass(frozen=True)
class Task:
    """What all shares have in common."""

    params: dict[str, Any]  # of LightGBM, by its own names
    trees: int
    steps: Any  # fitted, before the estimator; None: the rows have passed them already
    weights: NDArray[np.float64] | None  # of a row, by its class


@dataclass(frozen=True)
class Learned:
    """What a share came to."""

    text: str  # the model, from the first share
    losses: list[float]  # mean loss of its held-back rows after each tree
    held: int  # how many these are


def fit_share(task: Task, seat: Seat, blocks: list[Any]) -> Learned:
    """Fit on a share of the rows, together with all others.

    Args:
        task: what all have in common.
        seat: which share it is, and where the others are.
        blocks: of each x (n, k) and y (n,) to learn from, and the same held back; float32.

    Raises:
        ConnectionError: another share is gone.
    """
    learn, learned_y = _joined([block[:2] for block in blocks], task.steps)
    held, held_y = _joined([block[2:] for block in blocks], task.steps)
    weight = None if task.weights is None else task.weights[learned_y.astype(int)]
    train = lightgbm.Dataset(learn, learned_y, weight=weight)
    valid = [train.create_valid(held, held_y)] if len(held_y) else []
    measured: dict[str, Any] = {}
    with ExitStack() as limits:
        booster = _fitted(
            task, seat, train, valid, [_alive(limits), lightgbm.record_evaluation(measured)]
        )
    losses = next(iter(measured.get("held", {"": []}).values()))
    text = "" if seat.number else booster.model_to_string()
    return Learned(text, losses, len(held_y))


def _fitted(task: Task, seat: Seat, train: Any, valid: list[Any], callbacks: list[Any]) -> Any:
    settings = {**task.params, "num_threads": seat.threads, **_network(seat)}
    names = ["held"] * len(valid)
    try:
        booster = lightgbm.train(settings, train, task.trees, valid, names, callbacks=callbacks)
    except lightgbm.basic.LightGBMError as error:
        if any(word in str(error) for word in OF_THE_NETWORK):
            raise ConnectionError(str(error)) from None
        raise
    booster.free_network()
    return booster


def _network(seat: Seat) -> dict[str, Any]:
    """LightGBM's settings that join the shares; none where there is one."""
    if len(seat.machines) == 1:
        return {}
    return {
        "tree_learner": "data",
        "pre_partition": True,
        "num_machines": len(seat.machines),
        "machines": ",".join(seat.machines),
        "local_listen_port": int(seat.machines[seat.number].rpartition(":")[2]),
        "time_out": QUIET_MINUTES,
    }


def _joined(blocks: list[Any], steps: Any) -> tuple[list[Any], Any]:
    filled = [(x, y) for x, y in blocks if len(y)]
    targets = np.concatenate([y for _, y in filled]) if filled else np.empty(0)
    return [Written(x, steps) for x, _ in filled], targets


def _alive(limits: ExitStack) -> Any:
    """A callback that gives the next tree its time."""
    limits.enter_context(limited(60 * QUIET_MINUTES))

    def next_tree(_: Any) -> None:
        limits.close()
        limits.enter_context(limited(60 * QUIET_MINUTES))

    return next_tree


class Written(lightgbm.Sequence):  # type: ignore[misc]
    """Rows of which some at a time pass the steps before the estimator.

    One-hot levels take many times the room of their codes; LightGBM keeps a byte of each.

    Args:
        x: (n, k) encoded rows.
        steps: fitted, or None.
    """

    batch_size = 8192

    def __init__(self, x: Matrix, steps: Any) -> None:
        self._x, self._steps = x, steps
        self._first, self._batch = -1, np.empty((0, 0))

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, at: Any) -> Any:
        """A row by its place (LightGBM draws some, in order), or those of a slice."""
        if isinstance(at, slice):
            return self._through(self._x[at])
        first = at - at % self.batch_size
        if first != self._first:
            self._batch = self._through(self._x[first : first + self.batch_size])
            self._first = first
        return self._batch[at - first]

    def _through(self, x: Matrix) -> NDArray[np.float64]:  # LightGBM's samples are of that kind
        through = x if self._steps is None else self._steps.transform(x)
        return through.astype(np.float64)

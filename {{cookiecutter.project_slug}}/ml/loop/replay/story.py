"""What a replay did, window by window: the form of replay.json.

Losses are means over a window's rows, lower is better: `mae`, the mean absolute error of a
regression; `brier`, half the sum over the classes of the squared differences of probability and
outcome (of two classes: the squared error of the one probability; from 0 to 1).
None stands where nothing is known, e.g. for a policy that was not followed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from ml.atomic import write_text
from ml.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "replay.json"

Metric = Literal["mae", "brier"]
Policy = Literal["champion", "frozen", "every", "ceiling", "lagged_value", "naive"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Losses(_Frozen):
    """One figure for each policy.

    Args:
        champion: the version that the loop served.
        frozen: the first model, never retrained.
        every: retrained each window, its labels as late as the loop's.
        ceiling: retrained each window, its labels known at once.
        lagged_value: the latest outcome whose label had come.
        naive: the constant forecast of the latest window whose labels had come.
    """

    champion: float | None = None
    frozen: float | None = None
    every: float | None = None
    ceiling: float | None = None
    lagged_value: float | None = None
    naive: float | None = None


class Window(_Frozen):
    """One window of the stream. `champion` is the version that answered most of its rows.

    Args:
        number: from 1.
        start: the stream's time of its first row.
        end: the stream's time of the next window's first row.
        rows: how many were answered.
        incident: what was done to the stream here, in a few words.
        verdict: the monitor's word, e.g. `drift`.
        evidence: the verdict's reasons, in sentences.
        action: what the loop did, e.g. `retrain`.
        champion: the version that answered.
        loss: mean loss of its rows.
        standard_error: standard error of each mean.
        seconds: what the window took in real time, the loop's pass included.
        deploy_cost: mean loss per row that waiting for a deployment added; None without a wait.
    """

    number: int
    start: datetime
    end: datetime
    rows: int
    incident: str | None = None
    verdict: str
    evidence: tuple[str, ...] = ()
    action: str
    champion: str
    loss: Losses
    standard_error: Losses = Losses()
    seconds: float
    deploy_cost: float | None = None


class Event(_Frozen):
    """Something the loop did or said.

    Args:
        window: number of the window in which it was.
        at: the stream's time.
        what: one of `retrained`, `promoted`, `refused`, `rolled back`, `quarantined`, `alarm`,
            `approved`, `probation passed`, `probation unclear`; others are shown as they are.
        version: the model's version, if it is about one.
        why: one sentence.
    """

    window: int
    at: datetime
    what: str
    version: str | None = None
    why: str = ""


class Matrix(_Frozen):
    """Mean loss of each version (rows) on each window (columns)."""

    versions: tuple[str, ...]
    loss: tuple[tuple[float | None, ...], ...]


class Recovered(_Frozen):
    """(frozen - champion) / (frozen - every), or the reason why there is no such share."""

    share: float | None = None
    standard_error: float | None = None
    reason: str | None = None


class Totals(_Frozen):
    """The replay in figures. Means are over the rows whose loss is known for every policy.

    Args:
        rows: rows that the means are over.
        windows: windows of the stream.
        mean: mean loss of each policy.
        standard_error: standard error of each mean, by window.
        recovered: share of the gain of retraining every window.
        regret: mean over windows of the champion's loss above that of the best version.
        retrains: challengers that were trained.
        promotions: versions that became champion.
        rollbacks: promotions that were undone.
        refusals: challengers that the gate refused.
        quarantined: windows that nothing was trained on.
        deploy_lag: windows between a promotion and its first answer.
        deploy_cost: mean over windows of the loss that waiting added, per row.
        seconds_window_10: real seconds of window 10; None in a shorter replay.
        seconds_window_100: the same for window 100.
    """

    rows: int
    windows: int
    mean: Losses
    standard_error: Losses
    recovered: Recovered
    regret: float | None = None
    retrains: int
    promotions: int
    rollbacks: int
    refusals: int
    quarantined: int
    deploy_lag: float
    deploy_cost: float | None = None
    seconds_window_10: float | None = None
    seconds_window_100: float | None = None

    def line(self) -> str:
        """The totals as one line of JSON."""
        return json.dumps(self.model_dump(mode="json"))


class Story(_Frozen):
    """A whole replay. `regret` has a figure per window: champion above the best version."""

    name: str
    metric: Metric
    label_lag: float
    windows: tuple[Window, ...]
    events: tuple[Event, ...]
    matrix: Matrix
    regret: tuple[float | None, ...]
    totals: Totals


def write_story(path: Path, story: Story) -> None:
    """Write replay.json in one step."""
    write_text(path, story.model_dump_json(indent=1) + "\n")


def read_story(path: Path) -> Story:
    """Read replay.json.

    Raises:
        UserError: no such file, or one that is not a replay; it names the key.
    """
    try:
        return Story.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", "make loop") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {key}: {first['msg']}", "make loop") from None

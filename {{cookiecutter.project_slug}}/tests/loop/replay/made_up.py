"""A made-up replay: a stream whose world drifts and breaks, and a loop that answers to it.

No model is trained: a version's loss on a window grows with the distance of its world from the
window's. The rest (per-row losses, totals, matrix) is computed as a replay does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from ml.loop.replay import totals as figures
from ml.loop.replay.story import Event, Losses, Matrix, Policy, Story, Totals, Window

ROWS = 336
START = datetime(2026, 1, 1, tzinfo=UTC)
LENGTH = timedelta(days=10)
NOISE = 30.0  # loss of a row whose model is right


@dataclass
class World:
    """Where the stream's world is in each window, and what was done to it."""

    level: np.ndarray
    incidents: dict[int, str]
    seed: int = 7
    events: list[Event] = field(default_factory=list)


def world(windows: int) -> World:
    """A slow drift, a jump after 30 %, broken data at 55 %, a drift without decay at 75 %."""
    at = np.arange(windows)
    jump, broken, shift = (int(share * windows) for share in (0.3, 0.55, 0.75))
    level = 0.3 * np.sin(at / 9) + 1.5 * (at >= jump) + at / windows
    incidents = {jump + i: "prices doubled" for i in range(2)}
    incidents |= {broken: "60 % of `amount` empty"}
    incidents |= {shift + i: "new region" for i in range(3)}
    return World(level, incidents)


def story(windows: int = 36, gain: bool = True) -> Story:
    """A whole replay of so many windows; without `gain` nothing ever changes."""
    w = world(windows)
    if not gain:
        w = World(np.zeros(windows), {})
    trained, answered, verdicts = _lived(w)
    random = np.random.default_rng(w.seed)
    difficulty = random.gamma(20, 1 / 20, size=(windows, ROWS))
    distance = np.abs(np.array(trained)[:, None] - w.level[None, :])
    matrix = NOISE + 25 * distance
    lagged = np.abs(np.r_[0, w.level[:-1]] - w.level)
    expected: dict[Policy, np.ndarray] = {
        "champion": matrix[answered, np.arange(windows)],
        "frozen": matrix[0],
        "every": NOISE + 25 * np.abs(np.r_[0, 0, w.level][:windows] - w.level),
        "ceiling": NOISE + 25 * lagged,
        "lagged_value": 2.1 * NOISE + 25 * lagged,
        "naive": 2.6 * NOISE + 25 * lagged,
    }
    per_row = {
        policy: (mean[:, None] * difficulty * random.gamma(1.3, 1 / 1.3, (windows, ROWS)))
        for policy, mean in expected.items()
    }
    if not gain:
        per_row["every"] = per_row["champion"] = per_row["frozen"]
    matrix *= difficulty.mean(axis=1)
    table = tuple(
        _window(i, w, answered[i], verdicts[i], {p: v[i] for p, v in per_row.items()})
        for i in range(windows)
    )
    flat = {policy: values.ravel() for policy, values in per_row.items()}
    number = np.repeat(np.arange(windows), ROWS)
    mean, error, rows = figures.total_losses(flat, number)
    regret = figures.regret(matrix, np.array(answered))
    kinds = [event.what for event in w.events]
    return Story(
        name="demand <b>hourly</b>",
        metric="mae",
        label_lag=1,
        windows=table,
        events=tuple(w.events),
        matrix=Matrix(
            versions=tuple(str(v + 1) for v in range(len(trained))),
            loss=tuple(tuple(float(x) for x in row) for row in matrix),
        ),
        regret=tuple(float(x) for x in regret),
        totals=Totals(
            rows=rows,
            windows=windows,
            mean=mean,
            standard_error=error,
            recovered=figures.recovered(flat, number),
            regret=float(regret.mean()),
            retrains=kinds.count("retrained"),
            promotions=kinds.count("promoted"),
            rollbacks=kinds.count("rolled back"),
            refusals=kinds.count("refused"),
            quarantined=kinds.count("quarantined"),
            deploy_lag=0,
            deploy_cost=0.0,
            seconds_window_10=2.4 if windows >= 10 else None,
            seconds_window_100=2.5 if windows >= 100 else None,
        ),
    )


def _lived(w: World) -> tuple[list[float], list[int], list[str]]:
    """Level that each version learned, the version that answered each window, the verdicts."""
    trained, answered, verdicts, serving = [float(w.level[0])], list[int](), list[str](), 0
    previous, since = 0, 0
    for i, level in enumerate(w.level):
        answered.append(serving)
        incident, gap = w.incidents.get(i, ""), abs(trained[serving] - level)
        if "empty" in incident:
            verdicts.append("broken")
            _say(w, i, "quarantined", None, "column `amount`: 61 % missing, 1 % in the reference")
        elif gap > 0.35 and i - since >= 3:
            verdicts.append("decay")
            trained.append(float(level))
            new, since = len(trained) - 1, i
            _say(w, i, "retrained", new, "the loss is 31 % above the reference's")
            if new % 5 == 4:
                _say(w, i, "refused", new, "gain 0.4, less than the margin 1.0")
            else:
                _say(w, i, "promoted", new, f"gain {25 * gap:.1f} on 336 fresh rows")
                previous, serving = serving, new
        else:
            verdicts.append("drift" if incident or gap > 0.3 else "ok")
        if since and i == since + 2 and len(trained) % 7 == 4:
            _say(w, i, "rolled back", previous, "two bad windows in a row")
            serving = previous
        elif since and i == since + 1 and serving == len(trained) - 1:
            _say(w, i, "probation passed", serving, "336 labels, no loss")
    return trained, answered, verdicts


def _say(w: World, window: int, what: str, version: int | None, why: str) -> None:
    at = START + (window + 1) * LENGTH - timedelta(hours=1)
    number = None if version is None else str(version + 1)
    w.events.append(Event(window=window + 1, at=at, what=what, version=number, why=why))


def _window(
    i: int, w: World, version: int, verdict: str, losses: dict[Policy, np.ndarray]
) -> Window:
    loss, error = figures.window_losses(losses)
    acts = [event.what for event in w.events if event.window == i + 1]
    return Window(
        number=i + 1,
        start=START + i * LENGTH,
        end=START + (i + 1) * LENGTH,
        rows=ROWS,
        incident=w.incidents.get(i),
        verdict=verdict,
        evidence=() if verdict == "ok" else (f"column `amount` <i>moved</i>: PSI 0.3{i % 10}",),
        action=acts[0] if acts else "nothing",
        champion=str(version + 1),
        loss=loss,
        standard_error=error if i else Losses(),
        seconds=2.4 + (i % 7) / 20,
    )

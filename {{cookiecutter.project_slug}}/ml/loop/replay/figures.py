"""A replay in figures: what was lived, the other policies and the ledger become its story."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from ml.loop.replay import totals
from ml.loop.replay.baselines import Baselines, encoded, row_losses
from ml.loop.replay.matrix import version_losses
from ml.loop.replay.story import Matrix, Story, Totals, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.contract import Contract
    from ml.loop.replay.baselines import Rows
    from ml.loop.replay.matrix import VersionLosses
    from ml.loop.replay.options import Options
    from ml.loop.replay.simulation.live import Lived
    from ml.loop.replay.simulation.stream import Stream
    from ml.loop.replay.story import Event, Policy
    from ml.loop.replay.totals import Values
    from ml.params import Train

    PerWindow = dict[Policy, list[Values]]  # the loss of each row of each window


@dataclass(frozen=True)
class Played:
    """All that a replay came to before its figures. `params` name the kind of version 1."""

    stream: Stream
    lived: Sequence[Lived]
    events: Sequence[Event]
    contract: Contract
    params: Train
    options: Options


@dataclass(frozen=True)
class _Costs:
    """Per window (W,): the champion above the best version, and what the deploy lag added."""

    regret: Values
    deploy: Values | None


def story_of(played: Played) -> Story:
    """The story of a replay."""
    versions = version_losses(played.lived, played.contract)
    policies = _policies(played, versions.rows[0])
    # a version says nothing about rows that it learned from
    matrix = np.where(versions.learned, np.nan, versions.mean)
    costs = _costs(played, versions, matrix)
    return Story(
        name=played.stream.name,
        metric="brier" if played.contract.is_classification else "mae",
        label_lag=played.options.lag,
        windows=tuple(_window(played.lived[i], i, policies, costs) for i in range(len(matrix[0]))),
        events=tuple(played.events),
        matrix=Matrix(
            versions=versions.versions, loss=tuple(tuple(map(_known, row)) for row in matrix)
        ),
        regret=tuple(map(_known, costs.regret)),
        totals=_totals(played, policies, costs),
    )


def _costs(played: Played, versions: VersionLosses, matrix: Values) -> _Costs:
    answered = versions.places([lived.champion for lived in played.lived])
    regret = totals.regret(matrix, answered)
    if not played.options.deploy_lag:
        return _Costs(regret, None)
    decided = versions.places([lived.decided for lived in played.lived])
    return _Costs(regret, totals.deploy_cost(versions.mean, answered, decided))


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mean(values: Values | None) -> float | None:
    """The mean of the known ones."""
    if values is None or not np.isfinite(values).any():
        return None
    return float(values[np.isfinite(values)].mean())


def _policies(played: Played, frozen: list[Values]) -> PerWindow:
    contract, lag = played.contract, played.options.lag
    rows = [encoded(lived.slice.rows, contract) for lived in played.lived]
    first = encoded(played.stream.first, contract)
    other = Baselines(first, rows, contract, played.params, lag)
    return {
        "champion": _champion(played, rows),
        "frozen": frozen,
        "every": other.refitted(lag),
        "ceiling": other.refitted(0),
        "lagged_value": other.lagged_value(),
        "naive": other.naive(),
    }


def _champion(played: Played, rows: Sequence[Rows]) -> list[Values]:
    """What the service really answered."""
    pairs = zip(rows, played.lived, strict=True)
    return [row_losses(each.y, lived.answer, played.contract) for each, lived in pairs]


def _window(lived: Lived, i: int, policies: PerWindow, costs: _Costs) -> Window:
    mean, error = totals.window_losses({name: values[i] for name, values in policies.items()})
    return Window(
        number=lived.slice.number,
        start=_moment(lived.slice.start),
        end=_moment(lived.slice.end),
        rows=len(lived.slice.rows),
        incident=lived.slice.incident,
        verdict=lived.verdict,
        evidence=lived.evidence,
        action=lived.action,
        champion=lived.champion,
        loss=mean,
        standard_error=error,
        seconds=round(lived.seconds, 3),
        deploy_cost=None if costs.deploy is None else _known(costs.deploy[i]),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _totals(played: Played, policies: PerWindow, costs: _Costs) -> Totals:
    flat = {name: np.concatenate(values) for name, values in policies.items()}
    sizes = [len(lived.slice.rows) for lived in played.lived]
    window = np.repeat(np.arange(len(sizes)), sizes)
    mean, error, rows = totals.total_losses(flat, window)
    return Totals(
        rows=rows,
        windows=len(sizes),
        mean=mean,
        standard_error=error,
        recovered=totals.recovered(flat, window),
        regret=_mean(costs.regret),
        **_counts(played.events),
        deploy_lag=played.options.deploy_lag,
        deploy_cost=_mean(costs.deploy),
        seconds_window_10=_seconds(played.lived, 10),
        seconds_window_100=_seconds(played.lived, 100),
    )


def _counts(events: Sequence[Event]) -> dict[str, int]:
    kinds = [event.what for event in events]
    return {
        "retrains": kinds.count("retrained"),
        # one that waited is promoted by its approval
        "promotions": kinds.count("promoted") + kinds.count("approved"),
        "rollbacks": kinds.count("rolled back"),
        "refusals": kinds.count("refused"),
        "quarantined": kinds.count("quarantined"),
    }


def _seconds(lived: Sequence[Lived], number: int) -> float | None:
    return round(lived[number - 1].seconds, 3) if len(lived) >= number else None

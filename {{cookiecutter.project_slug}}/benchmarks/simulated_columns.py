"""Simulated columns for `benchmarks.false_alarms`: mixes of kinds, rows in time, changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import signal, special

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Change = Callable[[Floats, np.random.Generator], Floats]
    Case = dict[int, Change]  # place of a column → what happens to it
    Mix = tuple["Kind", ...]

PSI = 0.2
STRONGEST = 20.0  # tilt of shares at which the search for an index begins
BISECTIONS = 50
WARM_UP = 200  # rows of an AR(1) series that are dropped, because it starts at zero


@dataclass(frozen=True)
class Kind:
    """A simulated column: a number made of a standard normal, or levels with their shares."""

    name: str
    shares: tuple[float, ...] = ()

    def of(self, normal: Floats) -> Floats:
        """Standard normal values as this column's."""
        if self.shares:
            edges = special.ndtri(np.cumsum(self.shares)[:-1])
            return np.asarray(np.searchsorted(edges, normal), dtype=np.float64)
        return np.asarray(np.exp(normal) if self.name == "log-normal" else normal)


def _falling(levels: int) -> tuple[float, ...]:
    weight = np.arange(1, levels + 1) ** -0.7
    return tuple((weight / weight.sum()).tolist())


MIXES: dict[str, Mix] = {
    "even": (
        Kind("normal"),
        Kind("normal"),
        Kind("log-normal"),
        Kind("log-normal"),
        Kind("2 levels", (0.5, 0.5)),
        Kind("2 levels", (0.8, 0.2)),
        Kind("12 levels", (1 / 12,) * 12),
        Kind("12 levels", _falling(12)),
        Kind("50 levels", (1 / 50,) * 50),
        Kind("50 levels", _falling(50)),
    ),
    "fewer_numbers": (
        Kind("normal"),
        Kind("normal"),
        Kind("log-normal"),
        Kind("2 levels", (0.5, 0.5)),
        Kind("2 levels", (0.8, 0.2)),
        Kind("12 levels", (1 / 12,) * 12),
        Kind("12 levels", (0.3, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.04, 0.03, 0.02, 0.01)),
        Kind("12 levels", _falling(12)),
        Kind("50 levels", (1 / 50,) * 50),
        Kind("50 levels", _falling(50)),
    ),
}


def rows(process: str, size: int, rng: np.random.Generator) -> Floats:
    """Standard normal rows in order of time: iid, ar1, or a daily cycle of 24 rows under noise."""
    match process:
        case "iid":
            return rng.standard_normal(size)
        case "ar1":
            return _autoregressive(0.9, size, rng)
        case _:
            return _daily_cycle(size, rng)


def _autoregressive(a: float, size: int, rng: np.random.Generator) -> Floats:
    noise = rng.standard_normal(size + WARM_UP) * np.sqrt(1 - a**2)
    return np.asarray(signal.lfilter([1.0], [1.0, -a], noise)[WARM_UP:])


def _daily_cycle(size: int, rng: np.random.Generator) -> Floats:
    """Half of the variance is the cycle, half is noise."""
    wave = np.sqrt(2) * np.sin(2 * np.pi * (np.arange(size) / 24 + rng.random()))
    return np.asarray(np.sqrt(0.5) * wave + np.sqrt(0.5) * rng.standard_normal(size))


def location_for(psi: float) -> float:
    """Shift of a normal column in standard deviations: the index's root (Jeffreys 1946)."""
    return float(np.sqrt(psi))


def shares_for(psi: float, shares: tuple[float, ...], direction: Floats) -> Floats:
    """Shares tilted exponentially along a direction until the index is reached, by bisection."""
    reference, direction = np.array(shares), (direction - direction.mean()) / direction.std()
    low, high = 0.0, STRONGEST
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        is_less = _index(reference, _tilted(reference, middle * direction)) < psi
        low, high = (middle, high) if is_less else (low, middle)
    return _tilted(reference, low * direction)


def _tilted(shares: Floats, tilt: Floats) -> Floats:
    weight = shares * np.exp(tilt)
    return np.asarray(weight / weight.sum())


def _index(reference: Floats, shares: Floats) -> float:
    """Population stability index."""
    return float(((shares - reference) * np.log(shares / reference)).sum())


def moved(by: float) -> Change:
    """A normal column moved by so many standard deviations."""
    return lambda values, _: values + by


def scaled(by: float) -> Change:
    """A column's values times a factor."""
    return lambda values, _: values * by


def relevelled(kind: Kind, psi: float, spread: bool) -> Change:
    """A column's levels drawn anew with the index `psi`.

    It is spread over all levels at random, or is one level's growth.
    """
    one_level = (np.arange(len(kind.shares)) == 1).astype(float)

    def change(values: Floats, rng: np.random.Generator) -> Floats:
        direction = rng.standard_normal(len(kind.shares)) if spread else one_level
        return _drawn(shares_for(psi, kind.shares, direction), values.shape, rng)

    return change


def vanished(kind: Kind, level: int) -> Change:
    """A level that no row holds any more; its rows take the others in their proportion."""
    shares = np.array(kind.shares)
    shares[level] = 0.0
    return lambda values, rng: _drawn(shares / shares.sum(), values.shape, rng)


def _drawn(shares: Floats, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    return np.asarray(rng.choice(len(shares), shape, p=shares), dtype=float)


def replaced(share: float, value: float) -> Change:
    """A share of the rows replaced by a value (NaN: missing; beyond the last level: a new one)."""
    return lambda values, rng: np.where(rng.random(values.shape) < share, value, values)


def promised(mix: Mix) -> dict[str, Case]:
    """The changes that windows of 200 rows are to show."""
    two, even = _places(mix, "2 levels")[0], _places(mix, "12 levels")[0]
    falling, fifty = _places(mix, "12 levels")[-1], _places(mix, "50 levels")[-1]
    log_normal = _places(mix, "log-normal")[0]
    return {
        "psi_0.2_normal": {0: moved(location_for(PSI))},
        "psi_0.2_log_normal": {log_normal: scaled(np.exp(location_for(PSI)))},
        "psi_0.2_2_levels": {two: relevelled(mix[two], PSI, spread=True)},
        "psi_0.2_12_levels": {even: relevelled(mix[even], PSI, spread=True)},
        "psi_0.2_50_levels": {fifty: relevelled(mix[fifty], PSI, spread=False)},
        "missing_plus_5_percent": {0: replaced(0.05, np.nan)},
        "new_level_2_percent": {falling: replaced(0.02, 12.0)},
        "variance_times_1.5": {0: scaled(np.sqrt(1.5))},
        "vanished_level": {falling: vanished(mix[falling], 2)},
    }


def beyond(mix: Mix) -> dict[str, Case]:
    """Changes that are not promised: shown so that nobody expects them."""
    falling, fifty = _places(mix, "12 levels")[-1], _places(mix, "50 levels")[0]
    return {
        "psi_0.2_12_uneven_levels": {falling: relevelled(mix[falling], PSI, spread=True)},
        "psi_0.2_50_levels_all_at_random": {fifty: relevelled(mix[fifty], PSI, spread=True)},
        "psi_0.1_normal": {0: moved(location_for(0.1))},
        "variance_divided_by_1.5": {0: lambda values, _: values / np.sqrt(1.5)},
    }


def _places(mix: Mix, name: str) -> list[int]:
    return [place for place, kind in enumerate(mix) if kind.name == name]

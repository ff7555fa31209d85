"""Values to places, round ticks, and the values that fit into a plot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CHARACTER = 0.56  # width of a character over its height, on average
FAR = 3.0  # a value so many times beyond nine tenths of the others is cut off
HEADROOM = 1.25


@dataclass(frozen=True)
class Scale:
    """A linear map from [low, high] to [start, end]; values outside are moved to the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round values between low and high (steps of 1, 2 or 5 times a power of ten), few of them."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Bounds of a plot. Values far above or below the rest don't decide them.

    A window of broken data may lose a million times what the others do.
    """
    if not values:
        return 0.0, 1.0
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 20], ordered[-1 - len(ordered) // 20]
    room = (high - low) or abs(high) / 10 or 1.0
    top = ordered[-1] if ordered[-1] <= high + FAR * room else high + HEADROOM * room
    bottom = ordered[0] if ordered[0] >= low - FAR * room else low - HEADROOM * room
    return _padded(bottom, top)


def _padded(bottom: float, top: float) -> tuple[float, float]:
    """A little room above and below; from zero where that is near."""
    # a spread that is lost in the digits of its values has no scale of its own
    spread = top - bottom if top - bottom > 1e-9 * abs(top) else abs(top)
    room = 0.06 * (spread if spread > 1e-300 else 1.0)
    if 0 <= bottom < 0.6 * top:
        return 0.0, top + room
    return bottom - room, top + room


def width_of(words: str, size: float) -> float:
    """About how wide words are, in pixels, at a font size."""
    return CHARACTER * size * len(words)


def not_overlapping(places: Iterable[tuple[float, str]], size: float) -> list[tuple[float, str]]:
    """The labels that can stand side by side, from the left; each is centred at its place."""
    chosen, free = list[tuple[float, str]](), -math.inf
    for place, words in places:
        half = width_of(words, size) / 2
        if place - half > free:
            chosen.append((place, words))
            free = place + half + size
    return chosen


def figure(value: float | None) -> str:
    """A figure with four significant digits, as people write it; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 3 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(digits, 0), 4)}f}"

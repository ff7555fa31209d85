"""The shapes of verdicts and events: each is told by its shape, and by its colour besides."""

from __future__ import annotations

from typing import NamedTuple

from ml.charts import svg


class Symbol(NamedTuple):
    """A shape around (0, 0), some 10 pixels wide.

    Args:
        d: the commands of its path.
        tone: a key of `ml.charts.style.TONES`.
        kind: how it is drawn: `full`, `open` or `stroke`.
        marker: the same as matplotlib names it; `tick` it does not know.
    """

    d: str
    tone: str
    kind: str
    marker: str


UP = "M0-5L5.5 4.5H-5.5Z"
DOWN = "M0 5L5.5-4.5H-5.5Z"
CROSS = "M-4-4L4 4M-4 4L4-4"
PLUS = "M-5 0H5M0-5V5"
SQUARE = "M-4.5-4.5H4.5V4.5H-4.5Z"
DIAMOND = "M0-6L5 0L0 6L-5 0Z"
TICK = "M-5 0L-1.5 4L5-5"
RING = "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z"
DOT = "M-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0Z"

VERDICTS = {
    "ok": Symbol(DOT, "good", "full", "."),
    "insufficient": Symbol(RING, "plain", "open", "o"),
    "drift": Symbol(DIAMOND, "warn", "open", "D"),
    "decay": Symbol(DOWN, "bad", "full", "v"),
    "broken": Symbol(CROSS, "bad", "stroke", "x"),
}
# in the order of their rows
EVENTS = {
    "quarantined": Symbol(SQUARE, "bad", "open", "s"),
    "retrained": Symbol(PLUS, "plain", "stroke", "+"),
    "refused": Symbol(CROSS, "warn", "stroke", "x"),
    "failed": Symbol(CROSS, "bad", "stroke", "x"),
    "stopped": Symbol(RING, "warn", "open", "o"),
    "abandoned": Symbol(CROSS, "bad", "stroke", "x"),
    "unchanged": Symbol(RING, "plain", "open", "o"),
    "waits for approval": Symbol(RING, "plain", "open", "o"),
    "approved": Symbol(TICK, "plain", "stroke", "tick"),
    "challenger": Symbol(DIAMOND, "plain", "open", "D"),
    "promoted": Symbol(UP, "good", "full", "^"),
    "probation passed": Symbol(TICK, "good", "stroke", "tick"),
    "probation unclear": Symbol(RING, "warn", "open", "o"),
    "undone": Symbol(DOWN, "warn", "open", "v"),
    "rolled back": Symbol(DOWN, "bad", "full", "v"),
    "alarm": Symbol(DIAMOND, "bad", "full", "D"),
}
SWAPS = ("promoted", "approved", "rolled back")  # another version answers from then on
UNKNOWN = Symbol(RING, "plain", "open", "o")


def draw(symbol: Symbol, x: float, y: float, *children: str) -> str:
    """The symbol at a place; children may be its title."""
    place = f"translate({svg.number(x)} {svg.number(y)})"
    # without a title it lets the pointer through to what lies under it
    passive = {} if any(children) else {"pointer_events": "none"}
    kind = "" if symbol.kind == "full" else f" {symbol.kind}"
    return svg.path(
        symbol.d, *children, class_=f"tone-{symbol.tone}{kind}", transform=place, **passive
    )


def sample(symbol: Symbol) -> str:
    """The symbol alone, for a legend."""
    return (
        '<svg class="chart" viewBox="-8 -8 16 16" width="16" height="16" aria-hidden="true">'
        f"{draw(symbol, 0, 0)}</svg>"
    )

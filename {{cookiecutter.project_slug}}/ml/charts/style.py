"""Colours and line styles of the charts.

Blue, orange and green are told apart with every common colour blindness, and the lines differ in
their dashes too; verdicts and events differ in their shapes. Source of the hues: Okabe and Ito,
Color universal design, 2008; darkened for a light ground, lightened for a dark one, so that each
has a contrast of 3 to 1 or more against its ground (WCAG 2.2, 1.4.11).
"""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """How a series is drawn: colour on a light and on a dark ground, dashes, width."""

    light: str
    dark: str
    dashes: tuple[float, ...]
    width: float


LINES = {
    "champion": Line("#0b4f9e", "#4a9cf5", (), 2.4),
    "frozen": Line("#b8480c", "#ff8a45", (7, 4), 1.8),
    "ceiling": Line("#2a9d5c", "#7ff0bb", (1.5, 3), 1.8),
    "estimate": Line("#8a3f7e", "#e09bd3", (4, 3), 1.6),
    "reference": Line("#5f6b78", "#a3afbd", (10, 3, 2, 3), 1.2),
}
TONES = {  # of verdicts and events
    "good": ("#2c7d4f", "#5cc48a"),
    "plain": ("#5f6b78", "#a3afbd"),
    "warn": ("#9a5b00", "#f0b04a"),
    "bad": ("#b3261e", "#ff8a80"),
}
SHADE = ("#c9a227", "#e0c060")  # an incident's background


def _variables(dark: bool) -> str:
    lines = {name: line.dark if dark else line.light for name, line in LINES.items()}
    tones = {name: tone[dark] for name, tone in TONES.items()}
    colors = {**lines, **tones, "shade": SHADE[dark]}
    return "".join(f"--c-{name}: {color};" for name, color in colors.items())


def _line_rules() -> str:
    return "\n".join(
        f".chart .{name} {{ stroke: var(--c-{name}); stroke-width: {line.width};"
        f" stroke-dasharray: {' '.join(map(str, line.dashes)) or 'none'} }}"
        f" .chart .band-{name} {{ fill: var(--c-{name}) }}"
        f" .chart .dot-{name} {{ fill: var(--c-{name}) }}"
        for name, line in LINES.items()
    )


def _tone_rules() -> str:
    return "\n".join(
        f".chart .tone-{name} {{ fill: var(--c-{name}); stroke: var(--c-{name}) }}"
        for name in TONES
    )


# --ink, --soft, --line and --ground are the page's own
STYLE = f"""
:root {{ {_variables(dark=False)} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {_variables(dark=True)} }} }}
.chart {{ display: block; width: 100%; height: auto; color: var(--ink);
  font-family: system-ui, sans-serif }}
.chart text {{ fill: currentColor }} .chart .quiet {{ fill: var(--soft) }}
.chart .grid {{ stroke: var(--line); stroke-width: 1 }}
.chart .line {{ fill: none; stroke-linejoin: round }}
.chart .band {{ fill-opacity: .16; stroke: none }}
.chart .incident {{ fill: var(--c-shade); fill-opacity: .22 }}
.chart .hover {{ fill: var(--ink); fill-opacity: 0 }}
.chart .hover:hover {{ fill-opacity: .08 }}
.chart .event {{ stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3 }}
.chart .strip {{ fill: var(--c-champion); fill-opacity: .16 }}
.chart .strip.odd {{ fill-opacity: .34 }}
.chart .cell {{ fill: var(--c-frozen) }} .chart .unknown {{ fill: none; stroke: var(--line) }}
.chart .outline {{ fill: none; stroke: var(--c-champion); stroke-width: 2 }}
.chart .bar {{ fill: var(--c-champion) }}
{_line_rules()}
{_tone_rules()}
.chart .open {{ fill: var(--ground); stroke-width: 1.6 }}
.chart .stroke {{ fill: none; stroke-width: 2 }}
.ml .legend {{ display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .4rem 0; padding: 0;
  list-style: none; font-size: .87rem }}
.ml .legend li {{ display: flex; align-items: center; gap: .4rem; margin: 0 }}
.legend .chart {{ width: auto; flex: none }}
.narrow {{ display: none }}
@media (max-width: 40rem) {{ .narrow {{ display: block }} .wide {{ display: none }} }}
@media print {{ .narrow {{ display: none }} .wide {{ display: block }}
  .chart, .legend svg {{ print-color-adjust: exact; -webkit-print-color-adjust: exact }} }}
"""

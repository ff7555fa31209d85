"""A replay as one HTML page: no script, nothing from elsewhere, for light, dark and paper.

Reads: replay.json. Writes: the page.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ml.atomic import write_text
from ml.charts import heat_map, time_line
from ml.charts.heat_map import HeatMap
from ml.charts.layout import Slot
from ml.charts.lines import Series
from ml.charts.scales import figure
from ml.charts.style import STYLE as CHART_STYLE
from ml.charts.symbols import SWAPS
from ml.charts.time_line import Mark, TimeLine
from ml.errors import SENTENCE, printable
from ml.loop.replay.story import POLICIES, Policy
from ml.monitoring.reports.html import STYLE, marked, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ml.loop.replay.story import Event, Losses, Story, Totals, Window

UNITS = {"mae": "mean absolute error", "brier": "Brier score"}
NAMES: dict[Policy, str] = {
    "champion": "the loop's champion",
    "frozen": "the first model, never retrained",
    "every": "retrained every window",
    "ceiling": "retrained every window, labels known at once",
    "lagged_value": "the latest outcome that was known",
    "naive": "the constant forecast of the latest labelled window",
}
DRAWN: tuple[Policy, ...] = ("champion", "frozen", "ceiling")
WIDTH = 1.96  # standard errors to each side: 95 % of normal errors

PAGE = """
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.2rem } html { background: var(--ground) }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem }
.lead { font-size: 1.07rem; max-width: 52rem } p { margin: .4rem 0; max-width: 60rem }
.scroll { overflow-x: auto } .scroll:focus-visible { outline: 2px solid var(--link) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th { font-weight: 600; font-size: .87rem; color: var(--soft) }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem;
  border-bottom: 1px solid var(--line) }
.number { text-align: right } .nowrap { white-space: nowrap } .why { min-width: 16rem }
tbody th { min-width: 11rem }
tr.swapped td:first-child { box-shadow: inset 3px 0 var(--c-champion) }
.facts { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: .8rem 0; padding: 0 }
.facts div { margin: 0 } dt { color: var(--soft); font-size: .87rem } dd { margin: 0;
  font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums }
@media (max-width: 40rem) { body { padding: 1rem } th, td { padding: .25rem .4rem } }
@media print { body { max-width: none; padding: 0 } .scroll { overflow: visible }
  h2, .facts, thead { break-after: avoid } svg, tr { break-inside: avoid }
  th, td, .ml .small { font-size: 8pt } th, td { padding: .15rem .3rem }
  .why { min-width: 8rem } tbody th { min-width: 0 } }
@page { size: landscape; margin: 12mm }
"""


def write_page(path: Path, story: Story) -> None:
    """Write the page in one step."""
    write_text(path, replay_page(story))


def replay_page(story: Story) -> str:
    """The page."""
    name = text(story.name)
    body = (
        f"<h1>{name}: replay</h1>{_lead(story)}"
        f"<h2>Loss per window</h2>{time_line.page_part(replay_line(story))}"
        f"<h2>Totals</h2>{_totals(story)}"
        f"<h2>Every version on every window</h2>{_matrix(story)}"
        f"<h2>What the loop did</h2>{_events(story)}"
        f"<h2>Windows</h2>{_windows(story)}"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}: replay</title><style>{STYLE}{CHART_STYLE}{PAGE}</style></head>\n"
        f'<body class="ml">{body}</body></html>\n'
    )


def headline(story: Story) -> str:
    """What came out, in two sentences."""
    mean, totals = story.totals.mean, story.totals
    losses = (
        f"The champion's {UNITS[story.metric]} was {figure(mean.champion)}, "
        f"that of the first model without retraining {figure(mean.frozen)}"
    )
    every = f", with retraining every window {figure(mean.every)}" if mean.every is not None else ""
    trained = f"The loop trained {_times(totals.retrains)} in {_windows_words(totals.windows)}"
    return f"{losses}{every}. {trained} and {_gain(totals)}."


def _times(count: int) -> str:
    return {0: "not once", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _gain(totals: Totals) -> str:
    """The share of the gain in words, or why there is none."""
    if totals.recovered.share is None:
        reason = printable(totals.recovered.reason or "unknown", SENTENCE)
        return f"no share of a gain can be given: {reason}"
    return f"recovered {recovered_words(totals)} of what retraining every window gains"


def recovered_words(totals: Totals) -> str:
    """The share with its standard error, in per cent."""
    share, error = totals.recovered.share, totals.recovered.standard_error
    if share is None:
        return "-"
    return f"{100 * share:.0f} %" + ("" if error is None else f" ± {100 * error:.1f}")


def _lead(story: Story) -> str:
    first, last = story.windows[0], story.windows[-1]
    rows = sum(window.rows for window in story.windows)
    when = f"{_day(first.start)} to {_day(last.end)}"
    about = (
        f"{_windows_words(len(story.windows))}, {rows:,} rows, {when}; "
        f"labels come {_windows_words(story.label_lag)} late. Lower is better."
    )
    return f'<p class="lead">{marked(headline(story))}</p><p class="soft small">{about}</p>'


def _windows_words(count: float) -> str:
    return f"{count:g} window" + ("" if count == 1 else "s")


def _day(moment: datetime) -> str:
    """A moment without its time of day where that is midnight."""
    return f"{moment:%Y-%m-%d}" if f"{moment:%H%M%S}" == "000000" else f"{moment:%Y-%m-%d %H:%M}"


def replay_line(story: Story) -> TimeLine:
    """The time line of a replay; the horizontal axis counts windows."""
    return TimeLine(
        name="Loss per window",
        description=f"{headline(story)} The table of windows below has every figure.",
        unit=f"{UNITS[story.metric]} per window, lower is better",
        slots=[_slot(i, window) for i, window in enumerate(story.windows)],
        series=[_series(story, policy) for policy in DRAWN if _is_known(story, policy)],
        verdicts=[window.verdict for window in story.windows],
        versions=[window.champion for window in story.windows],
        incidents=[window.incident and printable(window.incident) for window in story.windows],
        marks=[_mark(event, story) for event in story.events],
    )


def _is_known(story: Story, policy: Policy) -> bool:
    return any(_loss(window.loss, policy) is not None for window in story.windows)


def _loss(losses: Losses, policy: Policy) -> float | None:
    """One figure of some."""
    loss: float | None = getattr(losses, policy)
    return loss


def _series(story: Story, policy: Policy) -> Series:
    """A policy's losses with their 95 % intervals."""
    values = [_loss(window.loss, policy) for window in story.windows]
    errors = [_loss(window.standard_error, policy) for window in story.windows]
    low, high = _ends(values, errors, -WIDTH), _ends(values, errors, WIDTH)
    return Series(NAMES[policy], policy, values, low, high)


def _ends(
    values: Sequence[float | None], errors: Sequence[float | None], width: float
) -> list[float | None]:
    return [
        None if value is None or error is None else value + width * error
        for value, error in zip(values, errors, strict=True)
    ]


def _slot(place: int, window: Window) -> Slot:
    return Slot(place, place + 1, f"{window.start:%Y-%m-%d}", window_title(window))


def window_title(window: Window) -> str:
    """Everything about a window, line by line."""
    losses = [
        f"{NAMES[policy]}: {figure(_loss(window.loss, policy))}"
        for policy in POLICIES
        if _loss(window.loss, policy) is not None
    ]
    incident = [f"incident: {printable(window.incident)}"] if window.incident else []
    evidence = [printable(words, SENTENCE) for words in window.evidence]
    when = f"window {window.number}, {_day(window.start)} to {_day(window.end)}"
    answered = f"{window.rows:,} rows, version {printable(window.champion)} answered"
    verdict = f"verdict {printable(window.verdict)}, then: {printable(window.action)}"
    return "\n".join([when, answered, *incident, verdict, *evidence, *losses])


def _mark(event: Event, story: Story) -> Mark:
    version = printable(event.version) if event.version else ""
    about = f"version {version} " if version else ""
    words = f"{about}{event.what}, window {event.window}, {_day(event.at)}: {event.why}"
    place = position(event, story)
    return Mark(place, printable(event.what), version, printable(words, SENTENCE))


def position(event: Event, story: Story) -> float:
    """Where an event stands on an axis that counts windows: by its time, else by its window."""
    edges = [window.start.timestamp() for window in story.windows]
    edges.append(story.windows[-1].end.timestamp())
    at = event.at.timestamp()
    if edges[0] <= at <= edges[-1]:
        return float(np.interp(at, edges, np.arange(len(edges))))
    return float(event.window)


def _totals(story: Story) -> str:
    rows = "".join(_policy_row(story.totals, policy) for policy in POLICIES)
    head = "".join(
        f'<th scope="col"{number}>{words}</th>'
        for words, number in (
            ("model", ""),
            (UNITS[story.metric], ' class="number"'),
            ("standard error", ' class="number"'),
            ("against never retraining", ' class="number"'),
        )
    )
    note = (
        f'<p class="soft small">Means over the {story.totals.rows:,} rows whose loss is known for '
        "all of them. Standard errors count windows, not rows, because rows of one window "
        "resemble each other.</p>"
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"{_facts(story.totals)}{_scroll('Totals', table)}{note}"


def _policy_row(totals: Totals, policy: Policy) -> str:
    mean, error = _loss(totals.mean, policy), _loss(totals.standard_error, policy)
    if mean is None:
        return ""
    frozen = totals.mean.frozen
    change = f"{100 * (mean / frozen - 1):+.1f} %" if frozen and policy != "frozen" else "-"
    name = f'<th scope="row">{NAMES[policy]}</th>'
    return f"<tr>{name}{_number(figure(mean))}{_number(figure(error))}{_number(change)}</tr>"


def _number(words: str) -> str:
    return f'<td class="number">{words}</td>'


def _facts(totals: Totals) -> str:
    """The counts, and what the replay cost."""
    facts = {
        "gain recovered": recovered_words(totals),
        "retrains": str(totals.retrains),
        "promotions": str(totals.promotions),
        "refusals": str(totals.refusals),
        "rollbacks": str(totals.rollbacks),
        "windows quarantined": str(totals.quarantined),
        "mean regret": figure(totals.regret),
        "windows to deploy": f"{totals.deploy_lag:g}",
        "cost of deploying per window": figure(totals.deploy_cost),
        "seconds of window 10": _seconds(totals.seconds_window_10),
        "seconds of window 100": _seconds(totals.seconds_window_100),
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{items}</dl>'


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f}"


def _scroll(name: str, inside: str) -> str:
    """A part that scrolls sideways by itself where it is wider than the page."""
    return f'<div class="scroll" role="region" aria-label="{name}" tabindex="0">{inside}</div>'


def _matrix(story: Story) -> str:
    note = (
        "<p>A cell says how much more a version loses on a window than the version that is best "
        "there: the darker, the worse. Outlined: the version that answered. The bars are the same "
        "for that one, its regret; the figures stand in the table of windows.</p>"
    )
    return f"{note}{heat_map.page_part(matrix_chart(story))}"


def matrix_chart(story: Story) -> HeatMap:
    """Every version's loss above the best on every window."""
    loss = np.array(story.matrix.loss, dtype=float)
    best = np.where(np.isfinite(loss), loss, np.inf).min(axis=0)
    excess = [[_known(value) for value in row] for row in loss - best]
    versions = [f"version {printable(version)}" for version in story.matrix.versions]
    return HeatMap(
        name="Every version on every window",
        description=f"{len(versions)} versions. Mean regret of the champion: "
        f"{figure(story.totals.regret)}.",
        slots=[_slot(i, window) for i, window in enumerate(story.windows)],
        rows=versions,
        values=excess,
        titles=[_cell_titles(story, i) for i in range(len(versions))],
        outlined=[story.matrix.versions.index(window.champion) for window in story.windows],
        bars=list(story.regret),
        bar_label="regret of the version that answered",
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _cell_titles(story: Story, i: int) -> list[str]:
    version, row = printable(story.matrix.versions[i]), story.matrix.loss[i]
    return [
        f"version {version} on window {window.number} ({window.start:%Y-%m-%d}): {figure(loss)}"
        for window, loss in zip(story.windows, row, strict=True)
    ]


def _events(story: Story) -> str:
    if not story.events:
        return "<p>Nothing: no window asked for it.</p>"
    rows = "".join(
        f"<tr>{_number(str(event.window))}<td class='nowrap'>{_day(event.at)}</td>"
        f"<td class='nowrap'>{text(event.what)}</td><td>{text(event.version or '')}</td>"
        f"<td class='why'>{marked(printable(event.why, SENTENCE))}</td></tr>"
        for event in story.events
    )
    return _table("What the loop did", ["window", "time", "what", "version", "why"], rows)


def _table(name: str, columns: Iterable[str], rows: str) -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return _scroll(name, table)


def _windows(story: Story) -> str:
    followed = [policy for policy in POLICIES if _is_known(story, policy)]
    columns = [
        *("window", "from", "rows", "version", "verdict", "why", "then"),
        *(policy.replace("_", " ") for policy in followed),
        *("regret", "seconds"),
    ]
    swapped = {event.window for event in story.events if event.what in SWAPS}
    rows = "".join(
        _window_row(window, regret, followed, window.number in swapped)
        for window, regret in zip(story.windows, story.regret, strict=True)
    )
    return _table("Windows", columns, rows)


def _window_row(
    window: Window, regret: float | None, followed: Sequence[Policy], swapped: bool
) -> str:
    losses = "".join(_number(figure(_loss(window.loss, policy))) for policy in followed)
    word = text(window.verdict)
    return (
        f"<tr{' class=swapped' if swapped else ''}>{_number(str(window.number))}"
        f"<td class='nowrap'>{_day(window.start)}</td>{_number(f'{window.rows:,}')}"
        f"<td>{text(window.champion)}</td><td><span class='verdict {word}'>{word}</span></td>"
        f"<td class='why small'>{_why(window)}</td><td class='nowrap'>{text(window.action)}</td>"
        f"{losses}{_number(figure(regret))}{_number(_seconds(window.seconds))}</tr>"
    )


def _why(window: Window) -> str:
    """The incident and the verdict's evidence."""
    incident = f"<b>{text(window.incident)}</b>" if window.incident else ""
    evidence = [marked(printable(words, SENTENCE)) for words in window.evidence]
    return "<br>".join(filter(None, [incident, *evidence]))

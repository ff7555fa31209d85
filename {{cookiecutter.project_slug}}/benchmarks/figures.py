"""From the benchmark's runs to ratios, a table and a picture."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.contenders import BARE, BATCH, BATCH_CONNECTIONS, CONNECTIONS, OURS


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The ratios that the project promises something about, from medians over the rounds."""

    def median(name: str, rows: int, connections: int, key: str = "requests_per_second") -> float:
        found = [
            r[key]
            for r in runs
            if (r["server"], r["rows"], r["connections"]) == (name, rows, connections)
        ]
        # None: nothing answered
        return float(statistics.median(value for value in found if value is not None))

    peers = sorted({r["server"] for r in runs} - {OURS, BARE})

    def fastest(rows: int, connections: int) -> float:
        return max(median(peer, rows, connections) for peer in peers)

    made: dict[str, Any] = {
        "vs_bare_asgi": {str(c): median(OURS, 1, c) / median(BARE, 1, c) for c in CONNECTIONS},
        "p99_vs_bare_asgi": {
            str(c): median(OURS, 1, c, "p99_ms") / median(BARE, 1, c, "p99_ms") for c in CONNECTIONS
        },
    }
    if peers:
        made["vs_fastest_peer"] = {str(c): median(OURS, 1, c) / fastest(1, c) for c in CONNECTIONS}
        made["batch_1000_vs_fastest_peer"] = median(OURS, BATCH, BATCH_CONNECTIONS) / fastest(
            BATCH, BATCH_CONNECTIONS
        )
    return made


def table(runs: list[dict[str, Any]]) -> Table:
    """Medians of requests a second for each server."""
    made = Table(
        "requests/s", *(f"{c} conn." for c in CONNECTIONS), "p99 at 64", f"{BATCH:,}-row rows/s"
    )
    for name in dict.fromkeys(r["server"] for r in runs):
        cells = []
        for rows, connections, key in [(1, c, "requests_per_second") for c in CONNECTIONS] + [
            (1, 64, "p99_ms")
        ]:
            found = [
                r[key]
                for r in runs
                if (r["server"], r["rows"], r["connections"]) == (name, rows, connections)
            ]
            known = [value for value in found if value is not None]
            cells.append(
                f"{statistics.median(known):,.{1 if key == 'p99_ms' else 0}f}" if known else ""
            )
        batches = [
            r["requests_per_second"] * BATCH
            for r in runs
            if r["server"] == name and r["rows"] == BATCH
        ]
        made.add_row(name, *cells, f"{statistics.median(batches):,.0f}" if batches else "")
    return made


def plot(runs: list[dict[str, Any]], path: Path) -> None:
    """Requests a second by server, logarithmic, one bar for each number of connections."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(r["server"] for r in runs))
    figure, axes = plt.subplots(figsize=(8, 0.7 * len(names) + 1.2), layout="constrained")
    for offset, connections in enumerate(CONNECTIONS):
        values = [
            statistics.median(
                r["requests_per_second"]
                for r in runs
                if (r["server"], r["rows"], r["connections"]) == (n, 1, connections)
            )
            for n in names
        ]
        bars = axes.barh(
            [i + 0.27 * (offset - 1) for i in range(len(names))],
            values,
            0.25,
            label=f"{connections}",
        )
        axes.bar_label(bars, [f"{v:,.0f}" for v in values], padding=3, fontsize=7)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("single-row requests a second (logarithmic)")
    axes.legend(title="connections", frameon=False)
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)

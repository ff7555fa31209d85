"""Tables whose traps are in how values are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tests.adopt.table import Table, as_csv, drawn, yes_or_no


def prices(n: int = 400) -> Table:
    """Dollars with thousands, percent signs, losses in brackets, a unit, a typographic minus.

    A price as target.
    """
    rng = drawn("prices")
    area, gain = rng.uniform(300, 4000, n), rng.normal(0, 3000, n)
    price = 900 * area + rng.normal(0, 2e5, n) + 5e5
    brackets = [f"({-g:,.2f})" if g < 0 else f"{g:,.2f}" for g in gain]
    frame = pd.DataFrame(
        {
            "Area (sq ft)": [f"{a:,.0f}" for a in area],
            "discount": [f"{d:.1f}%" for d in rng.uniform(0, 40, n)],
            "gain": brackets,
            "distance": [f"{d:.1f} km" for d in rng.uniform(0.5, 90, n)],
            "drift": [f"{d:.2f}".replace("-", "\u2212") for d in rng.normal(0, 4, n)],
            "term": rng.choice([" 36 months", " 60 months", " 12 months"], n),
            "price": [f"${p:,.2f}" for p in price],
        }
    )
    return Table("prices.csv", as_csv(frame), {"target": "price"})


def german(n: int = 300) -> Table:
    """Semicolons, decimal commas, thousands points, Latin-1 umlauts, dotted dates, ja and nein."""
    rng = drawn("german")
    income = rng.uniform(900, 90_000, n)
    days = pd.to_datetime("2022-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D")
    frame = pd.DataFrame(
        {
            "Straße": rng.choice(["Königsallee", "Münsterplatz", "Am Wall"], n),
            "Einkommen": [
                f"{v:,.2f} EUR".replace(",", "#").replace(".", ",").replace("#", ".")
                for v in income
            ],
            "Größe": [f"{v:.2f}".replace(".", ",") for v in rng.normal(1.7, 0.1, n)],
            "Datum": days.strftime("%d.%m.%Y"),
            "Kunde": rng.choice(["ja", "nein"], n),
            "gekündigt": yes_or_no(rng, (income - 45_000) / 9000, ("Nein", "Ja")),
        }
    )
    return Table("german.csv", as_csv(frame, sep=";", encoding="latin-1"), {"target": "gekündigt"})


def gaps(n: int = 500) -> Table:
    """Every way to leave a value out.

    Blanks, NA, ?, n/a, -999, 9999, a dash, a word, an error of a spreadsheet.
    """
    rng = drawn("gaps")
    score = rng.normal(0, 1, n)

    def holes(values: Any, hole: str) -> list[str]:
        return [hole if r < 0.06 else str(v) for v, r in zip(values, rng.random(n), strict=True)]

    frame = pd.DataFrame(
        {
            "charges": holes(np.round(score * 20 + 60, 2), " "),
            "depth": holes(rng.integers(0, 90, n), "-999"),
            "flow": holes(np.round(rng.uniform(0, 5, n), 3), "-9999.0"),
            "visits": holes(rng.integers(0, 30, n), "9999"),
            "height": holes(np.round(rng.normal(170, 9, n), 1), "?"),
            "weight": holes(np.round(rng.normal(70, 9, n), 1), "n/a"),
            "speed": holes(np.round(rng.normal(30, 5, n), 1), "-"),
            "age": holes(rng.integers(18, 90, n), "unknown"),
            "ratio": holes(np.round(rng.normal(2, 1, n), 3), "#DIV/0!"),
            "limit": holes(np.round(rng.normal(2, 1, n), 3), "inf"),
            "job": holes(rng.choice(["cook", "nurse", "clerk"], n), "unknown"),
            "fence": holes(rng.choice(["wood", "wire"], n), "None"),
            "plan": holes(rng.choice(["a", "b"], n), "NULL"),
            "left": holes(yes_or_no(rng, 2 * score), ""),
        }
    )
    return Table("gaps.csv", as_csv(frame), {"target": "left"})


def codes(n: int = 600) -> Table:
    """Whole numbers that are codes beside whole numbers that are counts."""
    rng = drawn("codes")
    pclass = rng.integers(1, 4, n)
    branch = rng.choice([3.0, 7.0, 12.0, np.nan], n)
    frame = pd.DataFrame(
        {
            "zip": [f"{z:05d}" for z in rng.choice([1234, 99501, 60601, 2139, 10001], n)],
            "postal_code": rng.choice([10115, 20095, 80331], n),
            "Pclass": pclass,
            "branch_code": branch,
            "month_code": [f"{m:02d}" for m in rng.integers(1, 13, n)],
            "siblings": rng.integers(0, 6, n),
            "num_stores": rng.integers(1, 5, n),
            "age": rng.integers(1, 80, n),
            "year_built": rng.integers(1950, 2020, n),
            "survived": (rng.random(n) < 1 / pclass).astype(int),
        }
    )
    return Table("codes.csv", as_csv(frame), {"target": "survived"})


def booleans(n: int = 400) -> Table:
    """Yes and no in nine spellings, some of them mixed; a target spelled three ways."""
    rng = drawn("booleans")
    pick = rng.choice
    score = rng.normal(0, 1, n)
    target = yes_or_no(rng, 3 * score)
    spelled = [
        t.upper() if r < 0.1 else t.title() if r < 0.3 else t
        for t, r in zip(target, rng.random(n), strict=True)
    ]
    frame = pd.DataFrame(
        {
            "a": pick(["Yes", "No"], n), "b": pick(["Y", "N"], n), "c": pick([0, 1], n),
            "d": pick([True, False], n),
            "e": pick(["T", "F"], n), "f": pick(["yes", "YES", "no", "No", ""], n), "g": pick([1.0,
            0.0, np.nan], n),
            "h": pick(["on", "off"], n), "i": pick(["Yes", ""], n), "j": pick(["M", "F"], n),
            "k": pick([1, 2], n),
            "score": np.round(score, 4), "bought": spelled,
        }
    )  # fmt: skip
    return Table("booleans.csv", as_csv(frame), {"target": "bought"})


def moments(n: int = 400) -> Table:
    """Dates in the usual forms, epochs, time zones, a zero date; ordered by a named time."""
    rng = drawn("moments")
    day = pd.Timestamp("2021-03-01") + pd.to_timedelta(
        np.sort(rng.uniform(0, 900, n)), unit="D"
    ).floor("s")
    stamp = (day.astype("datetime64[s]").astype("int64")).to_numpy()
    birth = pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 18_000, n), unit="D")
    zero = np.where(rng.random(n) < 0.05, "0000-00-00", day.strftime("%Y-%m-%d"))
    frame = pd.DataFrame(
        {
            "seen": day.strftime("%Y-%m-%dT%H:%M:%SZ"), "us": day.strftime("%m/%d/%Y"),
            "uk": day.strftime("%d/%m/%Y"),
            "short": day.strftime("%m/%d/%y %H:%M"), "words": day.strftime("%b %d, %Y"),
            "mixed": zero,
            "epoch": stamp, "epoch_ms": stamp * 1000, "compact": day.strftime("%Y%m%d"),
            "born": birth.strftime("%d-%b-%Y"),
            "clock": day.strftime("%H:%M"), "zone": day.strftime("%Y-%m-%d %H:%M:%S+02:00"),
            "month": day.strftime("%Y-%m"), "noon": day.strftime("%m/%d/%Y %I:%M %p"),
            "count": rng.integers(0, 9, n),
            "load": np.round(np.sin(day.hour / 24 * 6.3) * 10 + rng.normal(0, 1, n), 3),
        }
    )  # fmt: skip
    return Table("moments.csv", as_csv(frame), {"target": "load", "time": "seen"})

"""Tables in the forms that files take.

Other separators and encodings, packed, without a header, Parquet.
"""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.adopt import names_and_levels, spellings
from tests.adopt.table import Table, as_csv, drawn, yes_or_no


def tabs(n: int = 200) -> Table:
    """Tabs, a byte order mark, packed by gzip though the name does not say so."""
    rng = drawn("tabs")
    dose = rng.uniform(0, 9, n).round(2)
    frame = pd.DataFrame(
        {
            "dose, mg": dose,
            "group": rng.choice(["a", "b"], n),
            "reply": (dose * 3 + rng.normal(0, 1, n)).round(2),
        }
    )
    return Table(
        "tabs.tsv",
        gzip.compress(b"\xef\xbb\xbf" + as_csv(frame, sep="\t"), mtime=0),
        {"target": "reply"},
    )


def pipes(n: int = 200) -> Table:
    """Bars between columns, Windows' quotes (cp1252), commas in the values."""
    rng = drawn("pipes")
    size = rng.uniform(0, 9, n).round(2)
    label = rng.choice(["\u201cbig\u201d, red", "\u20ac, small", "plain"], n)
    frame = pd.DataFrame(
        {"label": label, "size": size, "kind": yes_or_no(rng, size - 4, ("off", "on"))}
    )
    return Table("pipes.txt", as_csv(frame, sep="|", encoding="cp1252"), {"target": "kind"})


def utf16(n: int = 120) -> Table:
    """What a spreadsheet calls Unicode text: UTF-16 and tabs."""
    rng = drawn("utf16")
    size = rng.uniform(0, 9, n).round(2)
    frame = pd.DataFrame(
        {"größe": size, "art": rng.choice(["klein", "groß"], n), "menge": (size * 2).round(1)}
    )
    return Table("unicode.txt", as_csv(frame, sep="\t", encoding="utf-16"), {"target": "menge"})


def headless(n: int = 150) -> Table:
    """Measurements without a header, named by the person."""
    rng = drawn("headless")
    kind = rng.integers(0, 3, n)
    frame = pd.DataFrame(rng.normal(kind[:, None], 0.5, (n, 4)).round(1))
    frame["kind"] = np.array(["setosa", "virginica", "versicolor"])[kind]
    names = ("sepal length", "sepal width", "petal length", "petal width", "species")
    return Table("headless.data", as_csv(frame, header=False), {"target": "species"}, names)


def parquet(n: int = 300) -> Table:
    """Typed columns.

    Nullable whole numbers, decimals, dictionaries, zones, booleans with gaps, dates, a nested one.
    """
    rng = drawn("parquet")
    oslo = pa.timestamp("ns", "Europe/Oslo")
    x = rng.normal(0, 1, n)
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=int(d)) for d in rng.integers(0, 300, n)]
    whole = [
        None if r < 0.1 else int(v)
        for v, r in zip(rng.integers(0, 50, n), rng.random(n), strict=True)
    ]
    flags = [
        None if r < 0.1 else bool(v)
        for v, r in zip(rng.integers(0, 2, n), rng.random(n), strict=True)
    ]
    table = pa.table(
        {
            "x": pa.array(x), "small": pa.array(x.astype(np.float32)), "whole": pa.array(whole,
            pa.int32()),
            "flag": pa.array(flags),
            "money": pa.array([decimal.Decimal(f"{v:.2f}") for v in rng.uniform(0, 9, n)]),
            "kind": pa.array(rng.choice(["a", "b"], n)).dictionary_encode(), "day": pa.array(days),
            "at": pa.array([dt.datetime(2024, 1, 1, int(h)) for h in rng.integers(0, 24, n)], oslo),
            "code": pa.array(rng.integers(0, 3, n), pa.int8()), "tags": pa.array([[1, 2]] * n),
            "large": pa.array(rng.choice(["u", "v"], n), pa.large_string()), "y": pa.array(x > 0.3),
        }
    )  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return Table("typed.parquet", sink.getvalue(), {"target": "y"})


TABLES: tuple[Callable[[], Table], ...] = (
    spellings.prices,
    spellings.german,
    spellings.gaps,
    spellings.codes,
    spellings.booleans,
    spellings.moments,
    names_and_levels.identifiers,
    names_and_levels.cities,
    names_and_levels.reviews,
    names_and_levels.headers,
    names_and_levels.own_names,
    names_and_levels.shops,
    names_and_levels.wide,
    tabs,
    pipes,
    utf16,
    headless,
    parquet,
)

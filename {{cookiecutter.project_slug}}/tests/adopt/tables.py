"""Tables as people keep them, each with traps of its own.

Bytes of a file and the words a person would type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml.adopt.infer_contract import Adopted, Request, infer_contract
from ml.adopt.source.inputs import read


@dataclass(frozen=True)
class Table:
    """A file's name, its bytes and what a person says about it."""

    file: str
    data: bytes
    said: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def adopted(self, folder: Path) -> tuple[Path, Adopted]:
        """The file on disk and what adopt understands of it."""
        path = folder / self.file
        path.write_bytes(self.data)
        texts, source = read([path], self.names)
        return path, infer_contract(str(path), texts, source, Request(**self.said))


def as_csv(frame: pd.DataFrame, **how: Any) -> bytes:
    text: str = frame.to_csv(index=False, **how)
    return text.encode(how.get("encoding", "utf-8"))


def drawn(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(name.encode()))


def yes_or_no(
    rng: np.random.Generator, score: np.ndarray[Any, Any], words: tuple[str, str] = ("no", "yes")
) -> Any:
    return np.where(rng.random(len(score)) < 1 / (1 + np.exp(-score)), words[1], words[0])


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


def identifiers(n: int = 500) -> Table:
    """Row numbers, unique and nearly unique names, phones, customers that return.

    Constants and empty columns.
    """
    rng = drawn("identifiers")
    score = rng.normal(0, 1, n)
    near = [f"ref{i}" for i in range(n)]
    near[3] = near[4]
    frame = pd.DataFrame(
        {
            "": np.arange(n), "uuid": [f"{v:08x}-{v % 65521:04x}" for v in rng.choice(2**31, n,
            replace=False)],
            "customer_id": rng.integers(1000, 1000 + n // 4, n), "ref": near,
            "phone": rng.integers(2 * 10**9, 9 * 10**9, n),
            "country": "NO", "version": 2, "notes": "", "extra": np.nan,
            "flag": np.where(rng.random(n) < 0.3, "x", ""),
            "store_id": rng.choice([11, 12, 17], n),
            "amount": np.round(score * 7 + 30, 2), "won": yes_or_no(rng, 2 * score, ("n", "y")),
        }
    )  # fmt: skip
    return Table("identifiers.csv", as_csv(frame), {"target": "won"})


def cities(n: int = 1500) -> Table:
    """Thousands of levels of which few are common; `NA` for Namibia.

    Three classes, one of them `None`, one rare.
    """
    rng = drawn("cities")
    city = np.array([f"city {k}" for k in rng.zipf(1.4, n) % 3000])
    kind = rng.choice(["None", "mild", "strong"], n, p=[0.6, 0.25, 0.15]).astype(object)
    kind[:3] = "odd"
    frame = pd.DataFrame(
        {
            "city": city, "country": rng.choice(["DE", "NA", "FR", "IT"], n),
            "colour": rng.choice(["red", "Red", "blue"], n),
            "rain": np.round(rng.gamma(2, 3, n) + 4 * (kind == "strong"), 2), "illness": kind,
        }
    )  # fmt: skip
    return Table("cities.csv", as_csv(frame), {"target": "illness"})


WORDS = (
    "good",
    "bad",
    "fine",
    "great",
    "slow",
    "quick",
    "kind",
    "rude",
    "warm",
    "cold",
    "soup",
    "room",
    "view",
    "staff",
)


def reviews(n: int = 400) -> Table:
    """Free text with quotes, commas and line breaks in it; people's names; a rating as target.

    CRLF line ends.
    """
    rng = drawn("reviews")
    texts = [" ".join(rng.choice(WORDS, int(rng.integers(4, 14)))) for _ in range(n)]
    texts = [f'{t}, "really"\nso' if i % 7 == 0 else t for i, t in enumerate(texts)]
    stars = [
        min(5, max(1, 3 + t.count("good") + t.count("great") - t.count("bad") - t.count("rude")))
        for t in texts
    ]
    names = [
        f"{rng.choice(['Ann', 'Bo', 'Cy'])} {chr(65 + i % 26)}. {rng.choice(['Lee', 'Ray'])}{i}"
        for i in range(n)
    ]
    frame = pd.DataFrame(
        {"review": texts, "name": names, "helpful": rng.integers(0, 40, n), "stars": stars}
    )
    return Table(
        "reviews.csv",
        as_csv(frame, lineterminator="\r\n"),
        {"target": "stars", "task": "regression"},
    )


def headers(n: int = 200) -> Table:
    """Names that no program likes.

    Spaces, dots, doubles, none at all, keywords, pydantic's own, a line break.
    """
    rng = drawn("headers")
    names = ["first name", "a.b", "größe", "x", "x", "", "class", "model_config", "json", "schema",
    "a,b", 'say "hi"',
             "line\nbreak", "cost $ or $^", "__class__", "x_2", "价格", " padded "]  # fmt: skip
    frame = pd.DataFrame(rng.normal(0, 1, (n, len(names))).round(3), columns=names)
    frame["y y"] = yes_or_no(rng, 2 * frame["größe"].to_numpy(), ("0", "1"))
    return Table("headers.csv", as_csv(frame), {"target": "y y"})


def shops(n: int = 2500) -> Table:
    """A hundred shops, each in many rows; three classes that follow them.

    Levels that only few rows have.
    """
    rng = drawn("shops")
    shop = rng.integers(0, 100, n)
    size = np.where(
        rng.random(n) < 0.8, np.array(["S", "M", "L"])[shop % 3], rng.choice(["S", "M", "L"], n)
    )
    name = np.where(
        rng.random(n) < 0.01, [f"pop-up {i}" for i in range(n)], [f"shop no. {k}" for k in shop]
    )
    frame = pd.DataFrame({"shop": name, "temp": rng.normal(15, 5, n).round(1), "size": size})
    return Table("shops.csv", as_csv(frame), {"target": "size"})


def own_names(n: int = 300) -> Table:
    """Columns called as the project calls its own: answers, ids, versions, tables' parts.

    The target `prediction`.
    """
    rng = drawn("own names")
    score = rng.normal(0, 1, n)
    names = [
        "probability:no",
        "probability:yes",
        "target",
        "model_version",
        "row",
        "rows",
        "index",
        "features",
        "outcome",
    ]
    frame = pd.DataFrame(rng.normal(0, 1, (n, len(names))).round(3), columns=names)
    frame["prediction_"] = score.round(2)
    frame["prediction_id"] = [f"p{i:04d}" for i in range(n)]
    frame["prediction"] = yes_or_no(rng, 2 * score)
    return Table("own.csv", as_csv(frame), {"target": "prediction"})


def wide(n: int = 120) -> Table:
    """More columns than a screen has lines, named by years; few rows; a rare positive class."""
    rng = drawn("wide")
    frame = pd.DataFrame(
        rng.normal(0, 1, (n, 60)).round(3), columns=[str(1960 + i) for i in range(60)]
    )
    frame.insert(0, "country", [f"land {i % 30}" for i in range(n)])
    frame["fell"] = (np.arange(n) % 12 == 0).astype(float)
    return Table("wide.csv", as_csv(frame), {"target": "fell"})

"""Tables whose traps are in names of columns, levels and identifiers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.adopt.table import Table, as_csv, drawn, yes_or_no


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

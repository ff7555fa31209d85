"""The demo's data: customers of an invented subscription service, and whether they left.

A row is a customer seen on one day; `churned` tells whether they left within the 30 days after it.
The same function makes later windows that carry a data fault, a covariate shift or a concept
change, so that a replay of the loop has something to find. Seeded and vectorised: equal arguments
give equal rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ml.encode import DAY_SECONDS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.random import Generator
    from numpy.typing import NDArray

    Columns = dict[str, NDArray[Any]]

TARGET, TIME, ID = "churned", "observed_at", "customer_id"
START = np.datetime64("2025-01-01T00:00:00", "s")
DAYS_PER_MONTH = 30.4375

PLANS = ("basic", "standard", "premium")
PRICES = (12.0, 24.0, 42.0)  # a month, of each plan
CHANNELS = ("web", "app", "partner", "phone")
REGIONS = ("north", "south", "east", "west", "islands")
PAYMENTS = ("card", "invoice", "direct debit", "wallet")
DEVICES = ("phone", "tablet", "laptop", "tv")

Fault = Literal["cents", "lost"]


def month_start(month: float) -> float:
    """Unix seconds of the start of a month of the demo, counted from 2025-01-01."""
    return float(START.astype(np.int64)) + month * DAYS_PER_MONTH * DAY_SECONDS


def simulate(
    *,
    rows: int = 20_000,
    months: float = 12,
    first_month: float = 0,
    seed: int = 7,
    fault: Fault | None = None,
    shift: float = 0.0,
    concept: float = 0.0,
) -> pd.DataFrame:
    """Customers seen between `first_month` and `first_month + months`, ordered by time.

    Args:
        rows: customers to draw.
        months: length of the window, in months of 30.4375 days.
        first_month: start of the window, months after 2025-01-01.
        seed: of the random numbers; a window's rows depend on nothing else.
        fault: a data fault, as a broken export makes it: `cents` writes monthly_fee in cents,
            `lost` leaves days_since_login empty in most rows.
        shift: 0 none … 1 strong: younger customers, more of them by app, on the basic plan (a
            covariate shift: who is seen changes, why they leave does not).
        concept: 0 none … 1 strong: long contracts stop holding customers, and app users leave (the
            same customers now leave for other reasons).

    Returns:
        One row per customer: id, moment, features with some values missing, target yes or no.
    """
    rng = np.random.default_rng([seed, round(first_month * 1000)])
    frame = _customers(rng, rows, months, first_month, shift)
    frame[TARGET] = np.where(rng.random(rows) < _risk(frame, concept), "yes", "no")
    _remove_values(rng, frame)
    _add_fault(rng, frame, fault)
    return frame


def _customers(
    rng: Generator, rows: int, months: float, first_month: float, shift: float
) -> pd.DataFrame:
    """Everything but who leaves; the order of the draws is part of the data."""
    import pandas as pd

    observed_at = _moments(rng, rows, months, first_month)
    plan = rng.choice(PLANS, rows, p=_tilted((0.45, 0.38, 0.17), 0, shift))
    tenure = np.floor(rng.gamma(1.6, 16 - 8 * shift, rows)).astype(int)
    return pd.DataFrame(
        {
            ID: _identifiers(rng, rows, first_month),
            TIME: pd.to_datetime(observed_at),
            **_person(rng, rows, shift),
            "plan": plan,
            **_account(rng, rows),
            "tenure_months": tenure,
            **_payments(rng, plan),
            **_use(rng, rows),
        }
    )


def _moments(
    rng: Generator, rows: int, months: float, first_month: float
) -> NDArray[np.datetime64]:
    """Ordered moments, anywhere in the window with equal chance."""
    months_in = np.sort(rng.uniform(first_month, first_month + months, rows))
    seconds = (months_in * DAYS_PER_MONTH * DAY_SECONDS).astype("timedelta64[s]")
    return np.asarray((START + seconds).astype("datetime64[us]"))


def _person(rng: Generator, rows: int, shift: float) -> Columns:
    return {
        "age": np.clip(rng.normal(46 - 12 * shift, 14, rows), 18, 90).round(),
        "region": rng.choice(REGIONS, rows, p=(0.34, 0.27, 0.2, 0.15, 0.04)),
        "channel": rng.choice(CHANNELS, rows, p=_tilted((0.4, 0.3, 0.2, 0.1), 1, shift)),
    }


def _account(rng: Generator, rows: int) -> Columns:
    return {
        "payment": rng.choice(PAYMENTS, rows, p=(0.5, 0.15, 0.25, 0.1)),
        "device": rng.choice(DEVICES, rows, p=(0.48, 0.12, 0.3, 0.1)),
        "annual_contract": rng.random(rows) < 0.38,
    }


def _payments(rng: Generator, plan: NDArray[np.str_]) -> Columns:
    rows = len(plan)
    price = np.select([plan == name for name in PLANS], PRICES)
    fee = np.round(price * rng.lognormal(0, 0.12, rows), 2)
    has_discount = rng.random(rows) < 0.3
    discount = rng.choice((5.0, 10.0, 15.0, 25.0), rows)
    return {"monthly_fee": fee, "discount_pct": np.where(has_discount, discount, 0.0)}


def _use(rng: Generator, rows: int) -> Columns:
    return {
        "hours_watched": np.round(rng.gamma(2.0, 9.0, rows), 1),
        "days_since_login": np.floor(rng.exponential(7, rows)).astype(int).clip(0, 120),
        "support_calls": rng.poisson(0.8, rows),
        "failed_payments": rng.poisson(0.18, rows),
        "satisfaction": np.clip(np.round(rng.normal(7.2, 1.8, rows), 1), 0, 10),
    }


def _tilted(shares: tuple[float, ...], towards: int, shift: float) -> NDArray[np.float64]:
    """The shares with 40 % of all, at shift 1, moved to one of them."""
    tilted = np.array(shares) * (1 - 0.4 * shift)
    tilted[towards] += 0.4 * shift
    return np.asarray(tilted / tilted.sum())


def _identifiers(rng: Generator, rows: int, first_month: float) -> NDArray[np.str_]:
    """Unique within a window and, by the month in front, between windows of different months."""
    drawn = rng.choice(10 * rows + 90_000, rows, replace=False) + 10_000
    return np.char.add(f"C{round(first_month * 100):05d}-", drawn.astype("U8"))


def _risk(frame: pd.DataFrame, concept: float) -> NDArray[np.float64]:
    """Chance of leaving within 30 days.

    A logistic model with a few bends that no straight line follows.
    """
    held = 2.1 * (1 - concept)
    score = (
        -1.35
        - held * frame["annual_contract"]
        - 0.05 * (1 - 0.6 * concept) * np.minimum(frame["tenure_months"], 36)
        + 1.5 * ((frame["days_since_login"] > 9) & (frame["hours_watched"] < 18))
        + 0.04 * np.minimum(frame["days_since_login"], 25)
        + 0.9 * (frame["support_calls"] >= 2)
        + 1.0 * (frame["failed_payments"] > 0)
        + 1.7 * (frame["satisfaction"] < 5.5)
        - 0.15 * (frame["satisfaction"] - 7)
        + 1.3 * ((frame["monthly_fee"] > 27) & (frame["discount_pct"] == 0))
        + 1.2 * ((frame["channel"] == "partner") & (frame["plan"] == "basic"))
        + 0.5 * (frame["region"] == "islands")
        + 2.4 * concept * (frame["channel"] == "app")
    )
    return np.asarray(1 / (1 + np.exp(-score)))


def _remove_values(rng: Generator, frame: pd.DataFrame) -> None:
    """Missing values: new customers are seldom asked for their satisfaction, some tell no age."""
    rows = len(frame)
    unasked = rng.random(rows) < np.where(frame["tenure_months"] < 3, 0.45, 0.12)
    frame.loc[unasked, "satisfaction"] = np.nan
    frame.loc[rng.random(rows) < 0.06, "age"] = np.nan
    frame.loc[rng.random(rows) < 0.03, "device"] = None


def _add_fault(rng: Generator, frame: pd.DataFrame, fault: Fault | None) -> None:
    """What a broken export does to a column (see `simulate`)."""
    if fault == "cents":
        frame["monthly_fee"] = frame["monthly_fee"] * 100
    if fault == "lost":
        frame["days_since_login"] = frame["days_since_login"].where(rng.random(len(frame)) < 0.3)

"""A part with every kind of column, written in German, and the contract that says how."""

from __future__ import annotations

from ml.contract import (
    Boolean,
    Categorical,
    Contract,
    Datetime,
    Dropped,
    Integer,
    NumberFormat,
    Numeric,
    Source,
    Target,
)

HEADER = "when;Kunde;Betrag;n;plan;aktiv;junk;left\n"
ROWS = (
    "01.02.2024;k1;1.234,50 €;3;basic;ja;x;yes\n"
    "02.02.2024;k2;-999;4;pro;nein;x;no\n"
    '03.02.2024;k3;7,25 €;;"pl\nus";;x;\n'
    ";k4;;1;basic;ja;x;NO\n"
    "05.02.2024;k5;8;2;;ja;x;rare\n"
)

CONTRACT = Contract(
    target=Target(
        name="left",
        task="binary",
        classes=("no", "yes"),
        aliases={"NO": "no"},
        set_aside=("rare",),
    ),
    time="when",
    id="Kunde",
    source=Source(separator=";"),
    columns=(
        Datetime(kind="datetime", name="when", format="%d.%m.%Y", missing=True),
        Numeric(
            kind="numeric",
            name="Betrag",
            missing=True,
            format=NumberFormat(decimal=",", thousands=".", strip=("€",), sentinels=(-999,)),
        ),
        Integer(kind="integer", name="n", missing=True),
        Categorical(
            kind="categorical",
            name="plan",
            levels=("basic", "pro"),
            unseen="pool",
            missing=True,
        ),
        Boolean(kind="boolean", name="aktiv", true=("ja",), false=("nein",), missing=True),
    ),
    dropped=(Dropped(name="junk", reason="not needed"),),
)

"""The table of a decision fits 80 columns and shows text as text."""

from __future__ import annotations

import io

from rich.console import Console

from ml.release.gate.decision import Check, Decision
from ml.release.gate.table import checks_table


def test_the_table_fits_80_columns() -> None:
    figures = "level = [red]a[/]: -0.0312 on 412 rows (p 0.00012); " * 3
    decision = Decision((Check("not worse than the champion", False, figures),))
    out = io.StringIO()
    Console(file=out, width=80).print(checks_table("Gate: churn version 12", decision))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "[red]a[/]" in out.getvalue()
    assert "no" in lines[4]

"""How rarely healthy windows are flagged, how surely changed ones are: `make calibrate`'s code."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from benchmarks.false_alarms import (
    REFERENCE_ROWS,
    SIZES,
    calibrate,
    tables,
    tickets,
    upper_limit,
)
from benchmarks.simulated_columns import MIXES, moved, promised
from ml.params import Params


def test_a_quick_look_at_false_alarms_and_power(params: Params) -> None:
    cases = {"healthy": {}, "moved": {0: moved(0.45)}}
    flagged = tickets("iid", 500, 2, 60, params.monitor, seed=1, cases=cases)
    assert flagged["healthy"].mean() <= 0.02
    assert flagged["moved"].mean() >= 0.95


def test_upper_limit_is_the_exact_one() -> None:
    assert upper_limit(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert upper_limit(100, 100) == 1


@pytest.fixture(scope="module")
def calibration(params: Params) -> dict[str, Any]:
    return calibrate(params.monitor, Console(quiet=True))


def figures_of(calibration: dict[str, Any], mix: str) -> dict[str, Any]:
    figures: dict[str, Any] = calibration if mix == "even" else calibration["other_mixes"][mix]
    return figures


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES)
def test_healthy_windows_are_left_alone(calibration: dict[str, Any], mix: str) -> None:
    for size in SIZES:
        healthy = figures_of(calibration, mix)["false_alarm"]["iid"][str(size)]
        assert healthy["windows"] >= 1000
        assert healthy["ticket"] <= 0.01
        assert healthy["ticket_upper_95"] <= 0.017
        assert healthy["page"] <= 0.001
        for process in ("ar1", "seasonal"):
            assert figures_of(calibration, mix)["false_alarm"][process][str(size)]["ticket"] <= 0.02


# "Limits" in docs/monitoring.md
MISSED = {("even", "variance_times_1.5"), ("fewer_numbers", "variance_times_1.5")}
LIMIT = pytest.mark.xfail(reason="88 to 90 % at 200 rows: theory has no more", strict=True)
SEEN = [
    pytest.param(
        mix,
        case,
        marks=LIMIT if (mix, case) in MISSED else (),
    )
    for mix, columns in MIXES.items()
    for case in promised(columns)
]


@pytest.mark.slow
@pytest.mark.parametrize(("mix", "case"), SEEN)
def test_changed_windows_are_seen(calibration: dict[str, Any], mix: str, case: str) -> None:
    shares = figures_of(calibration, mix)["power"][case]
    assert shares["500"] >= 0.95
    assert shares["200"] >= 0.90


@pytest.mark.slow
def test_a_tiny_shift_in_many_rows_gets_no_ticket(calibration: dict[str, Any]) -> None:
    assert calibration["reference_rows"] == REFERENCE_ROWS
    assert calibration["page_at_psi_0.005_and_100000_rows"] == 0
    assert len(tables(calibration)) == 2 * len(MIXES)

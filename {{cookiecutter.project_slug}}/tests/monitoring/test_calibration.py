"""The promise: how rarely healthy windows are flagged, how surely changed ones are; with `make calibrate`'s code."""

from __future__ import annotations

import pytest
from rich.console import Console

from ml.monitoring.calibrate import REFERENCE_ROWS, SIZES, calibrate, tables, tickets, upper_limit
from ml.params import Params


def test_a_quick_look_at_false_alarms_and_power(params: Params) -> None:
    found = tickets("iid", 500, 2, 60, params.monitor, {"healthy": {}, "moved": {0: lambda now, _: now + 0.45}}, seed=1)
    assert found["healthy"].mean() <= 0.02
    assert found["moved"].mean() >= 0.95


def test_upper_limit_is_the_exact_one() -> None:
    assert upper_limit(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert upper_limit(100, 100) == 1


@pytest.mark.slow
def test_the_whole_promise(params: Params) -> None:
    found = calibrate(params.monitor, Console(quiet=True))
    assert found["reference_rows"] == REFERENCE_ROWS
    for size in SIZES:
        healthy = found["false_alarm"]["iid"][str(size)]
        assert healthy["windows"] >= 1000
        assert healthy["ticket"] <= 0.01
        assert healthy["ticket_upper_95"] <= 0.017
        assert healthy["page"] <= 0.001
        for process in ("ar1", "seasonal"):
            assert found["false_alarm"][process][str(size)]["ticket"] <= 0.02
    for case, shares in found["power"].items():
        assert shares["200"] >= 0.90, case
        assert shares["500"] >= 0.95, case
    assert found["page_at_psi_0.005_and_100000_rows"] == 0
    assert len(tables(found)) == 2

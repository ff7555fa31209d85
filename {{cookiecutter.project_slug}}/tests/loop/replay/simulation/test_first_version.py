"""The copy's settings, and the first rows as a part that is read as served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract, seconds_of
from ml.dataset.frame import typed
from ml.dataset.typed import read_typed
from ml.loop.replay.options import Options
from ml.loop.replay.simulation.first_version import adapt, first_part, maturity
from ml.loop.replay.simulation.stream import table_stream
from ml.params import load_params
from tests.conftest import write_settings

Frames = Callable[..., pd.DataFrame]


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_each_outcome_counts_when_its_label_has_come(
    contract: Contract, make_frame: Frames, lag: int
) -> None:
    frame = make_frame(900)
    gaps = np.random.default_rng(0).integers(1, 40, 900).cumsum()
    frame["seen"] = pd.Timestamp("2025-01-01") + pd.to_timedelta(gaps, unit="h")
    stream = table_stream(frame, contract, Options(window=100))
    wait = seconds_of(maturity(stream, lag))
    for window, labelled in zip(stream.windows, stream.windows[lag:], strict=False):
        assert window.moments[-1] + wait < labelled.end
    assert wait > 0 or lag == 0


def test_the_settings_fit_the_windows(
    contract: Contract, make_frame: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path / "params.yaml")
    (tmp_path / "contract.yaml").write_text("# kept\ntarget:\n  name: left\n", encoding="utf-8")
    options = Options(window=100, lag=2)
    adapt(table_stream(make_frame(400), contract, options), options)
    params = load_params()
    assert params.monitor.min_rows < 100
    assert params.loop.probation.min_requests == 10
    assert params.loop.probation.max_days == 17  # four windows of 100 hours
    written = (tmp_path / "contract.yaml").read_text(encoding="utf-8")
    assert written.startswith("# kept\n")
    assert "matures_after: 179h" in written


def test_the_first_rows_are_read_back_as_they_are(
    contract: Contract, make_frame: Frames, tmp_path: Path
) -> None:
    frame = make_frame(300)
    frame.loc[0, "city"] = " N/A "  # a value, and no word for a missing one
    path = tmp_path / "first.parquet"
    first_part(frame, contract).to_parquet(path, index=False)
    part = typed(read_typed(path, contract).table.to_pandas(), contract)
    pd.testing.assert_frame_equal(part[list(frame)], frame)
    assert part["prediction_id"].is_unique

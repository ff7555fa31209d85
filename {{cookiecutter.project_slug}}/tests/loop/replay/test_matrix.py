"""Every version is asked for every window; what it learned from is marked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml.bundle import load_bundle
from ml.dataset.row_hash import row_hashes
from ml.loop.replay.matrix import version_losses
from ml.loop.replay.simulation.live import Lived
from tests.serving.conftest import REGRESSION


def test_versions_on_windows(
    releases: Path,
    lived_windows: Callable[[int], list[Lived]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for version in ("1", "2", "10"):
        shutil.copytree(releases / "r", tmp_path / "serving/releases" / version)
    lived = lived_windows(3)
    frame = lived[1].slice.rows.assign(prediction_id=[str(name) for name in lived[1].ids])
    hashes = row_hashes(frame, REGRESSION)
    np.save(tmp_path / "serving/releases/2/trained_rows.npy", hashes)
    losses = version_losses(lived, REGRESSION)
    assert losses.versions == ("1", "2", "10")
    assert losses.learned.tolist() == [[False] * 3, [False, True, False], [False] * 3]
    assert losses.places(["10", "1"]).tolist() == [2, 0]
    rows = lived[2].slice.rows
    bundle = load_bundle(releases / "r")
    answer = bundle.answer(bundle.encoder.columns({n: rows[n].to_numpy() for n in ("a", "b")}))
    expected = np.abs(answer[:, 0] - rows["count"].to_numpy())
    np.testing.assert_allclose(losses.rows[0][2], expected)
    assert losses.mean[0, 2] == pytest.approx(expected.mean())

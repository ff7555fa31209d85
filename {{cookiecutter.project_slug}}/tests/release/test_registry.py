"""The registry's address, and what is absent (what it holds: test_commands.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.release import registry


@pytest.mark.slow
def test_a_registry_belongs_to_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert registry.connect().tracking_uri == f"sqlite:///{tmp_path / name}/mlflow.db"


@pytest.mark.slow
def test_a_model_that_was_never_released_has_no_alias_and_no_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    client = registry.connect()
    assert registry.alias(client, "life", "champion") is None
    assert registry.pending_promotion(client, "life") is None

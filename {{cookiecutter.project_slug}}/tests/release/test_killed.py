"""A release or rollback killed before any write leaves one champion, and is finished later."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from ml.errors import UserError
from ml.release import registry
from ml.release.commands import release, rollback
from tests.conftest import HERE, command, live_in

pytestmark = pytest.mark.slow

LINES = {"release": "promote", "approve": "approve", "rollback": "rollback"}  # of the ledger


def killed_everywhere(project: Path, tmp_path: Path, word: str) -> list[dict[str, Any]]:
    """The end of a run that nothing disturbed, then what came of a kill before each write."""
    done = command(
        HERE, sys.executable, "-m", "tests.release.kill", str(project), str(tmp_path / "copy"), word
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("word", ["release", "approve", "rollback"])
def test_killed_before_any_write_and_run_again(
    retrained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    project = live_in(retrained_project, tmp_path / "project", monkeypatch)
    if word != "release":
        assert release(approval=word == "approve").passed
    undisturbed, *kills = killed_everywhere(project, tmp_path, word)
    end = undisturbed["after"]
    lines = len(end["ledger"])
    assert end["ledger"][-1] == [LINES[word], *(("2", "1") if word == "rollback" else ("1", "2"))]
    assert end["decisions"] == end["noted"] == lines
    assert len(kills) > 5
    assert sum(kill["killed"]["begun"] for kill in kills) >= 4  # the aliases, the link, the end
    for kill in kills:
        assert kill["killed"]["champion"] in ("1", "2"), kill["name"]
        # loaded, and its golden rows answered
        assert kill["killed"]["served"] in ("1", "2"), kill["name"]
        assert kill["killed"]["ledger"] in (end["ledger"], end["ledger"][:-1]), kill["name"]
        assert kill["again"] == end, kill["name"]
        other = kill.get("other", end)  # a kill, then the other command: nothing forgotten either
        assert {other["champion"], other["previous"]} == {"1", "2"}, kill["name"]
        assert other["served"] == other["champion"], kill["name"]
        assert not other["begun"], kill["name"]
        assert other["ledger"][:lines] == end["ledger"], kill["name"]
        assert other["decisions"] == len(other["ledger"]), kill["name"]


def test_a_previous_champion_that_is_the_champion_is_refused(project: Path) -> None:
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    client.set_registered_model_alias("life", "previous", "1")
    with pytest.raises(UserError, match="version 1 of life is both champion and previous") as error:
        rollback()
    assert "make ui" in error.value.then
    assert registry.ROLLED_BACK not in client.get_model_version("life", "1").tags


def test_a_promotion_whose_version_was_deleted_is_dropped(project: Path) -> None:
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    registry.begin_promotion(client, "life", registry.Promotion("9", previous="1"))
    assert release().passed
    assert registry.alias(client, "life", "champion") == "1"
    assert registry.PROMOTION not in client.get_registered_model("life").tags

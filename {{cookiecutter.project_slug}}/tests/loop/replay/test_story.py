"""replay.json: written, read, and refused where it is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml.errors import UserError
from ml.loop.replay.story import POLICIES, Losses, read_story, write_story
from tests.loop.replay.made_up import story


def test_a_story_survives_its_file(tmp_path: Path) -> None:
    told = story(36)
    write_story(tmp_path / "replay.json", told)
    assert read_story(tmp_path / "replay.json") == told


def test_the_totals_are_one_line_of_json() -> None:
    told = story(36)
    line = told.totals.line()
    assert "\n" not in line
    assert json.loads(line)["mean"]["frozen"] == told.totals.mean.frozen
    assert set(json.loads(line)["mean"]) == set(POLICIES) == set(Losses.model_fields)


def test_what_is_no_replay_is_refused_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "replay.json"
    with pytest.raises(UserError, match="no such file"):
        read_story(path)
    values = json.loads(story(12).model_dump_json())
    values["windows"][3]["rows"] = "many"
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"windows\.3\.rows"):
        read_story(path)

"""The PNG of a replay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from ml.charts.style import LINES
from ml.loop.replay.picture import title, write_picture
from ml.loop.replay.story import Story
from tests.loop.replay.made_up import story


@pytest.mark.parametrize("windows", [1, 36, 300])
def test_the_picture_shows_the_lines_on_an_opaque_ground(tmp_path: Path, windows: int) -> None:
    path = tmp_path / "loop.png"
    write_picture(path, story(windows))
    pixels = imread(path)
    assert pixels.shape == (900, 1600, 4)
    assert (pixels[..., 3] == 1).all()
    assert (pixels[:3] == 1).all()  # white at the edge: it reads on a dark page too
    for name in ("champion", "frozen", "ceiling"):
        color = np.array([int(LINES[name].light[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        assert (np.abs(pixels[..., :3] - color).max(axis=-1) < 0.02).sum() > 40, name
    assert path.stat().st_size < 500_000
    assert [entry.name for entry in tmp_path.iterdir()] == ["loop.png"]


def test_a_name_with_a_formula_or_a_strange_letter_is_drawn(tmp_path: Path) -> None:
    values = story(5).model_dump_json().replace("demand <b>hourly</b>", "$\\\\frac{1} 需求")
    write_picture(tmp_path / "loop.png", Story.model_validate_json(values))


def test_the_title_has_the_result_and_no_share_where_there_is_none() -> None:
    assert title(story()).endswith("never retrained 72.85; 93 % ± 4.4 recovered with 2 retrains")
    assert title(story(gain=False)).endswith("never retrained 30.13 with 0 retrains")

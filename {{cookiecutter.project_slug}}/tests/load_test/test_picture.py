"""The picture: well-formed, nothing from elsewhere, with a second in which nothing was answered."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from ml.load_test.picture import draw
from ml.load_test.sender import Sent


@pytest.mark.parametrize("limit", [None, 50.0])
def test_the_picture_is_whole(limit: float | None) -> None:
    due = np.linspace(0, 4.99, 500)
    status = np.where((due >= 2) & (due < 3), 503, 200)
    text = draw(Sent(due, np.full(500, 0.02), np.zeros(500), status), limit)
    ElementTree.fromstring(text)
    assert text.count("http") == text.count("http://www.w3.org/2000/svg")
    assert ("objective 50" in text) == (limit is not None)
    assert "failed" in text
    p99 = text.split('class="line champion"')[-2].split("<path")[-1]
    assert p99.count("M") == 2  # the line is interrupted

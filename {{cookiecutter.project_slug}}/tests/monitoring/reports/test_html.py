"""The page over all windows."""

from __future__ import annotations

import pytest

from ml.monitoring.inputs.reference import Champion
from ml.monitoring.monitor import REPORTS
from ml.monitoring.reports.evidently import write_pages
from tests.monitoring.conftest import World, customers, judged, week


@pytest.mark.slow
def test_the_page_lists_every_window_and_escapes(world: World, champion: Champion) -> None:
    frame = customers(600, 68)
    frame.loc[:400, "plan"] = "<script>alert(1)</script>"
    judged(world, champion, week(2), frame)
    write_pages(REPORTS / week(2).name)
    judged(world, champion, week(1), customers(600, 69))
    page = (REPORTS / "index.html").read_text()
    assert page.count('class="verdict') == 3  # each, and the latest at the top
    assert f'href="{week(2).name}/report.html"' in page
    assert page.count("report not written yet") == 1
    assert "<script>" not in page
    assert "&lt;script&gt;" in page

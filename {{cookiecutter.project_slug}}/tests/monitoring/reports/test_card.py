"""`ml card`: a released card with what was seen since, a card before the release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml.bundle import CARD_MARKDOWN
from ml.errors import UserError
from ml.monitoring.reports import card
from tests.card.parsed import rows

pytestmark = pytest.mark.slow


def test_the_champions_card_is_written_beside_the_sealed_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = (project / "serving/champion" / CARD_MARKDOWN).read_text(encoding="utf-8")
    card.card("champion")
    assert (card.FOLDER / CARD_MARKDOWN).read_text(encoding="utf-8") == sealed
    told = capsys.readouterr().out
    assert "reports/card/card.html: version 1" in told
    assert "next: params.yaml, under `card`: intended_use" in told
    assert card.renew() == card.FOLDER / "card.html"


def test_before_the_release_it_says_so(project: Path) -> None:
    card.card("bundle")
    written = (card.FOLDER / CARD_MARKDOWN).read_text(encoding="utf-8")
    assert rows(written, "The model")["version"] == ["not released yet"]


def test_a_version_that_is_not_here_is_named(project: Path) -> None:
    with pytest.raises(UserError, match="serving/releases/9: there is no such release here"):
        card.card("9")


def test_a_release_without_a_card_stays_without(project: Path) -> None:
    (project / "serving/champion/card.json").unlink()
    assert card.renew() is None
    assert not card.FOLDER.exists()
    with pytest.raises(UserError, match="the release has no card") as error:
        card.card("champion")
    assert error.value.then == "make flow release"
    assert json.loads((project / "serving/champion/manifest.json").read_text())

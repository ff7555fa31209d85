"""The card of a real run: every number equals the file that it names, in both forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ml.bundle import CARD_JSON, CARD_MARKDOWN, CARD_PAGE
from ml.card.write import measured_files, subject_of, write_card
from ml.contract import load_contract
from ml.errors import UserError
from tests.card.parsed import Page, at, numbers, rows
from tests.card.subjects import files, subject

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured(released_project: Path) -> dict[str, Any]:
    return measured_files(released_project / "metrics")


@pytest.fixture(scope="module")
def folder(released_project: Path) -> Path:
    return released_project / "serving/champion"


def test_every_number_of_the_page_is_the_files(folder: Path, measured: dict[str, Any]) -> None:
    page = Page((folder / CARD_PAGE).read_text(encoding="utf-8"))
    assert len(page.numbers) > 60
    for value, source, text in page.numbers:
        assert value == at(measured, source), source
        assert value is not None, source
        shown = 100 * value if text.endswith(" %") else value
        assert numbers(text)[0] == pytest.approx(shown, rel=6e-4, abs=0.05 if "%" in text else 5e-5)


def test_no_number_is_written_by_hand(folder: Path) -> None:
    """Outside of figures and pictures stand names, moments, hashes and the levels of intervals."""
    page = (folder / CARD_PAGE).read_text(encoding="utf-8")
    without_pictures = "".join(part.split("</svg>")[-1] for part in page.split("<svg"))
    body = Page(without_pictures.split("</style>", 1)[1])
    lineage = json.loads((folder / "lineage.json").read_text(encoding="utf-8"))
    known = {str(value) for value in lineage.values() if isinstance(value, str)}
    told = [words for words in body.words if numbers(words) and words not in known]
    assert {n for words in told for n in numbers(words)} <= {95.0, 5.0, 0.5, 2.0}, told


def test_markdown_tells_the_same_figures(folder: Path, measured: dict[str, Any]) -> None:
    written = (folder / CARD_MARKDOWN).read_text(encoding="utf-8")
    ends = measured["metrics/card.json"]["summary"]["interval_95"]
    for name, value in measured["metrics/model.json"].items():
        (cells,) = [c for first, c in rows(written, "Metrics").items() if first.startswith(name)]
        assert numbers(cells[0])[0] == pytest.approx(value, abs=5e-5)
        assert numbers(cells[1])[0] == pytest.approx(
            measured["metrics/linear.json"][name], abs=5e-5
        )
    assert numbers(
        rows(written, "Metrics")[
            "roc_auc: how often a row of the class scores above one that is not; 0.5 is chance"
        ][0]
    )[1:] == pytest.approx([ends["low"], ends["high"]], abs=5e-5)
    for each in measured["metrics/card.json"]["slices"]:
        told = rows(written, "Slices")[f"{each['column']} = {each['level']}"]
        assert numbers(told[0]) == [each["rows"]]
        assert numbers(told[1])[0] == pytest.approx(each["roc_auc"], abs=5e-5)
    assert numbers(rows(written, "Data")["rows"][0]) == [1200]
    page = Page((folder / CARD_PAGE).read_text(encoding="utf-8"))
    shown = [text for _, _, text in page.numbers]
    assert [text for text in shown if text not in written] == []


def test_the_page_needs_nothing_from_elsewhere(folder: Path) -> None:
    page = (folder / CARD_PAGE).read_text(encoding="utf-8")
    assert set(Page(page).tags).isdisjoint({"script", "link", "img", "iframe"})
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert page.count("<svg") >= 4
    assert "prefers-color-scheme: dark" in page


def test_a_kept_card_is_written_again_with_what_came_since(tmp_path: Path) -> None:
    verdict = {"rows": 700, "verdict": "drift", "columns": {"a": {"psi": 0.3}, "b": {"psi": 0.1}}}
    verdict["performance"] = {"metric": "roc_auc", "value": 0.71, "reference": 0.8}
    made = subject({"contact": "data@example.invalid"})
    write_card(tmp_path, made)
    again = subject_of(tmp_path, made.contract, made.lineage, {"w1": verdict})
    assert again.figures.files.items() >= files().items()
    write_card(tmp_path / "again", again)
    told = rows(
        (tmp_path / "again" / CARD_MARKDOWN).read_text(encoding="utf-8"), "Since the release"
    )
    assert told["w1"] == ["700", "drift", "0.7100", "0.8000", "a"]
    kept = json.loads((tmp_path / "again" / CARD_JSON).read_text(encoding="utf-8"))
    assert set(kept["figures"]) == set(files())
    assert kept["words"] == {"contact": "data@example.invalid"}


def test_what_is_missing_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match=r"card\.json: no such file") as error:
        measured_files(tmp_path)
    assert error.value.then == "make flow"
    with pytest.raises(UserError, match="the release has no card"):
        subject_of(tmp_path, load_contract(folder / "contract.json"), {}, {})

"""Findings to verdicts: order of the checks, actions, tiers, and the form of verdict.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

from ml.journal.bulk.scan import Span
from ml.monitoring.monitor import REPORTS, evaluate_window
from ml.monitoring.verdict import EXIT, Finding, Verdict, decide, schema, tier
from tests.monitoring.conftest import DAY, NOW, World, customers, record

if TYPE_CHECKING:
    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.verdict import Check


def finding(check: Check, what: str = "x", note: bool = False) -> Finding:
    return Finding(
        check=check,
        what=what,
        column=None,
        words=f"{check} {what}",
        value=1.0,
        limit=0.5,
        severity="note" if note else "ticket",
    )


@pytest.mark.parametrize(
    ("found", "verdict", "action"),
    [
        ([], "ok", "nothing"),
        ([finding("performance", note=True)], "ok", "nothing"),
        ([finding("drift")], "drift", "investigate"),
        ([finding("drift"), finding("drift", "bias")], "drift", "retrain"),
        ([finding("drift"), finding("performance")], "decay", "retrain"),
        ([finding("performance"), finding("quality")], "broken", "quarantine"),
        ([finding("volume", "few_rows"), finding("drift")], "insufficient", "wait"),
        ([finding("volume", "no_rows")], "insufficient", "call"),
    ],
)
def test_the_first_check_decides(found: list[Finding], verdict: str, action: str) -> None:
    made = decide(found)
    assert (made.verdict, made.action) == (verdict, action)
    assert (EXIT[made.verdict] == 0) == (verdict == "ok")


def test_one_window_is_a_ticket_two_in_a_row_a_page() -> None:
    moved, calm = decide([finding("drift")]), decide([])
    assert tier(calm, "page") is None
    assert tier(moved, None) == "ticket"
    assert tier(moved, "ticket") == "page"
    assert tier(decide([finding("volume", "few_rows")]), None) is None
    assert tier(decide([finding("volume", "no_rows")]), "ticket") == "page"


PUBLISHED = Path(__file__).parents[2] / "docs" / "verdict.schema.json"


def test_the_published_schema_is_the_models() -> None:
    """`python -m ml.monitoring.verdict > docs/verdict.schema.json` writes it."""
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert published == schema()
    jsonschema.Draft202012Validator.check_schema(published)


def test_a_finding_keeps_its_word_in_json() -> None:
    written = finding("drift").model_dump(by_alias=True)
    assert list(written) == ["room", "what", "column", "words", "value", "limit", "severity"]
    assert Finding.model_validate(written) == finding("drift")


@pytest.mark.parametrize(("rows", "labelled"), [(0, 0.0), (60, 0.0), (600, 0.1), (600, 0.8)])
def test_real_verdicts_fit_the_schema_and_come_back(
    world: World, champion: Champion, rows: int, labelled: float
) -> None:
    if rows:
        record(world, customers(rows, 21, charge=81), labelled=labelled)
    span = Span(NOW - 30 * DAY, NOW)
    verdict = evaluate_window(world.journal.engine, champion, span, world.params.monitor)
    written = json.loads((REPORTS / span.name / "verdict.json").read_text(encoding="utf-8"))
    jsonschema.validate(written, json.loads(PUBLISHED.read_text(encoding="utf-8")))
    assert Verdict.model_validate(written) == verdict
    assert Verdict.model_validate(written).as_json() == verdict.as_json()
    assert list(written) == list(Verdict.model_fields)
    assert ("value" in written["performance"]) == (labelled == 0.8)

"""metrics/fairness.json."""

from __future__ import annotations

import json

from ml.card.document import Document, Section
from ml.card.figures import Figures
from ml.card.groups import fairness
from ml.card.markdown import markdown
from ml.card.outcomes import FAIRNESS
from ml.fairness.report import fairness_report
from ml.params import Params
from tests.card.parsed import numbers, rows
from tests.fairness.loans import CONTRACT, loans, settings


def test_it_is_json_and_the_card_shows_it(params: Params) -> None:
    asked = settings(params, columns=("group", "member"))
    made = fairness_report(*loans(worse=0.15), CONTRACT, asked)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    groups = {(g["column"], g["level"]): g for g in made["groups"]}
    assert set(groups) == {("group", x) for x in "abc"} | {("member", "true"), ("member", "false")}
    assert made["compared"] == len(made["pairs"]) == 5 * 3 + 5
    card = markdown(Document("t", [Section("Fairness", fairness(Figures({FAIRNESS: made})))]))
    told = rows(card, "Fairness")
    rate = groups["group", "b"]["figures"]["selection_rate"]
    assert numbers(told["group = b"][1]) == [round(rate[n], 4) for n in ("value", "low", "high")]
    assert "group: a less b" in told
    assert "member: true less false" not in told


def test_without_columns_it_says_so(params: Params) -> None:
    made = fairness_report(*loans(100), CONTRACT, settings(params, columns=()))
    assert (made["groups"], made["pairs"], made["compared"]) == ([], [], 0)
    assert "No columns are named" in str(fairness(Figures({FAIRNESS: made}))[0])
    few = fairness_report(*loans(20), CONTRACT, settings(params))
    assert "No group has enough" in str(fairness(Figures({FAIRNESS: few}))[0])


def test_groups_that_are_alike_are_said_to_be(params: Params) -> None:
    made = fairness_report(*loans(1500, 3), CONTRACT, settings(params))
    assert "none is shown" in str(fairness(Figures({FAIRNESS: made}))[-1])

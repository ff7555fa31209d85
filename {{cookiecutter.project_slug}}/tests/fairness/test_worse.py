"""The search over a typed table, of classes and of numbers."""

from __future__ import annotations

import json

import numpy as np

from ml.card.document import Document, Section
from ml.card.figures import Figures
from ml.card.markdown import markdown
from ml.card.outcomes import FAIRNESS, worse_slices
from ml.fairness.worse import found_slices
from ml.params import Params
from tests.card.parsed import rows
from tests.fairness.loans import CONTRACT, REGRESSION, loans, settings


def test_wrong_answers_of_a_group_are_found_and_the_card_names_them(params: Params) -> None:
    frame, y, answer = loans(4000)
    inside = ((frame["group"] == "c") & (frame["member"] == True)).to_numpy()  # noqa: E712
    flipped = np.where(inside & (np.random.default_rng(99).random(4000) < 0.6), 1 - y, y)
    found = found_slices(frame, flipped, answer, CONTRACT, settings(params))
    assert found[0]["where"] == {"group": "c", "member": "true"}
    assert found[0]["rows"] == inside.sum()
    assert found[0]["wrong"] > found[0]["expected"] + 0.1
    assert json.loads(json.dumps(found)) == found
    made = Section("Slices", worse_slices(Figures({FAIRNESS: {"worse_slices": found}})))
    assert "group = c and member = true" in rows(markdown(Document("t", [made])), "Slices")


def test_where_all_are_alike_nothing_is_named_and_it_can_be_switched_off(params: Params) -> None:
    alike = loans(4000, 1)
    assert found_slices(*alike, CONTRACT, settings(params)) == []
    worse = loans(4000, 1, worse=0.4)
    assert found_slices(*worse, CONTRACT, settings(params)) != []
    assert found_slices(*worse, CONTRACT, settings(params, search=False)) == []
    assert "No level" in str(worse_slices(Figures({FAIRNESS: {"worse_slices": []}}))[0])
    assert worse_slices(Figures({FAIRNESS: {}})) == []


def test_of_numbers_with_bands(params: Params) -> None:
    frame, _, _ = loans(4000)
    rng = np.random.default_rng(2)
    value = rng.normal(size=4000)
    noise = rng.normal(size=4000) * np.where(frame["age"] < 30, 3, 1)
    asked = settings(params, edges={"age": (30.0, 50.0)})
    found = found_slices(frame, value + noise, value[:, None], REGRESSION, asked)
    assert found[0]["where"] == {"age": "below 30"}

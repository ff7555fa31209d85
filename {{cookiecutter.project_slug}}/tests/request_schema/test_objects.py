"""Keys are checked without pydantic, values with it: the first wrong row is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ml.errors import RefusedError
from ml.request_schema.rows import RequestSchema
from tests.serving.conftest import CLASSIFICATION, sample_rows

ROW = sample_rows(CLASSIFICATION, 1)[0]
ROWS = RequestSchema(CLASSIFICATION, 10_000)
LARGEST = 8_000  # bytes of a refusal

Detail = dict[str, Any]


def test_a_mistake_in_an_earlier_row_is_told_first() -> None:
    """Values are checked before keys; the first wrong row is told all the same."""
    with pytest.raises(RefusedError) as raised:
        ROWS.parse(
            json.dumps([ROW, {**ROW, "other": 1}, {**ROW, "class": "x", "another": 1}]).encode()
        )
    assert [d["loc"] for d in raised.value.details] == [["body", 1, "other"]]
    with pytest.raises(RefusedError) as raised:
        ROWS.parse(json.dumps([ROW, {**ROW, "class": "x", "another": 1}, {}]).encode())
    assert [d["loc"] for d in raised.value.details] == [
        ["body", 1, "class"],
        ["body", 1, "another"],
    ]


VALUES = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(), st.just("x" * 5000), st.just([{}] * 50)
)
OBJECTS = st.builds(
    lambda kept, other, many: {
        **{k: ROW[k] for k in kept},
        **other,
        **{f"{i}{n}": 1 for n, i in many.items()},
    },
    st.sets(st.sampled_from(list(ROW))),
    st.dictionaries(
        st.one_of(st.sampled_from([*ROW, "customer id"]), st.text(), st.just("y" * 5000)), VALUES
    ),
    st.dictionaries(st.text(max_size=2), st.integers(0, 9), max_size=60),
)


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.one_of(OBJECTS, st.lists(OBJECTS, max_size=4)))
def test_whatever_is_sent_is_accepted_with_known_keys_or_refused_in_a_few_words(body: Any) -> None:
    """Without pydantic no unknown key passes, and none that is needed may be absent."""
    rows = body if isinstance(body, list) else [body]
    needed, known = {"class", "été.2024", "plan"}, {*ROW, "customer id"}
    details: list[Detail] = []
    try:
        parsed, _ = ROWS.parse(json.dumps(body).encode())
    except RefusedError as error:
        details = error.details
    assert len(details) <= 21
    assert len(json.dumps(details)) < 2 * LARGEST  # a character may take six bytes
    assert details or (
        all(needed <= row.keys() <= known for row in rows) and len(parsed) == len(rows)
    )

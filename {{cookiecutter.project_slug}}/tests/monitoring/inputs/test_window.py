"""The window is what the journal holds between two moments, whatever was written to it."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ml.encode import parse_moment
from ml.journal.bulk.scan import Labels, Span, chunks, latest_rows
from ml.journal.records import Record, id_begin, ids_of
from ml.journal.schema import LABELS
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.inputs.window import Window, read_window
from tests.monitoring.conftest import DAY, NOW, World, customers, record

NAMES = ["charge", "tenure", "plan", "paperless", "seen_at", "no", "yes"]
SPAN = Span(NOW - 30 * DAY, NOW)


def read(world: World, champion: Champion, size: int = 7) -> Window:
    return read_window(world.journal.engine, SPAN, world.contract, champion.profiles, "3", size)


def test_rows_come_back_as_they_were_written(world: World, champion: Champion) -> None:
    frame = customers(400, 5)
    record(world, frame, labelled=0.5)
    window = read(world, champion)
    for name in ("charge", "tenure"):
        np.testing.assert_array_equal(window.sample[name], frame[name])
    assert window.sample["plan"].tolist() == frame["plan"].tolist()
    assert window.sample["paperless"].tolist() == frame["paperless"].tolist()
    np.testing.assert_allclose(window.answer.sum(axis=1), 1)
    np.testing.assert_array_equal(window.prediction, window.answer.argmax(axis=1))
    np.testing.assert_array_equal(window.outcome[:200], (frame["left"] == "yes")[:200])
    assert np.isnan(window.outcome[200:]).all()


def test_only_the_span_and_no_shadow(world: World, champion: Champion) -> None:
    record(world, customers(100, 5))
    record(world, customers(60, 6), NOW, NOW + DAY)
    record(world, customers(60, 7), NOW - 20 * DAY, NOW - 19 * DAY, role="shadow")
    assert len(read(world, champion)) == 100


def test_labels_late_repeated_corrected_and_unknown(world: World, champion: Champion) -> None:
    ids = record(world, customers(10, 5))
    add = world.journal.add_labels
    add([(ids[0], "no"), (ids[1], "no"), ("nobody", "yes")], at=NOW - 1)
    add([(ids[0], "no"), (ids[1], "yes")], at=NOW + 5 * DAY)
    window = read(world, champion)
    assert window.labels == Labels(matched=2, repeated=1, corrected=1, unknown=1)
    assert window.outcome[:2].tolist() == [0, 1]
    assert window.lag[1] > 5 * DAY


def test_a_row_of_another_contract_is_counted_not_fatal(world: World, champion: Champion) -> None:
    record(world, customers(10, 5))
    features = json.dumps(
        {"charge": "12,5", "tenure": 3, "plan": "pro", "paperless": 1, "more": [1]}
    )
    world.journal.append(
        [
            Record(
                f"{id_begin(NOW - 1)}9", NOW - 1, "1", "champion", None, features, '"perhaps"', None
            )
        ]
    )
    window = read(world, champion)
    assert len(window) == 11
    assert {name: c.mistyped for name, c in window.columns.items() if c.mistyped} == {
        "charge": 1,
        "paperless": 1,
    }
    assert np.isnan(window.sample["charge"].iloc[-1])
    assert np.isnan(window.prediction[-1])


def test_rows_of_one_request_are_read_like_requests_of_one_row(
    world: World, champion: Champion
) -> None:
    ids = record(world, customers(60, 5), labelled=0.5)
    alone = read(world, champion)
    journal = world.journal
    journaled = list(journal.predictions())
    assert journal.remove(NOW, 60) == 60
    for begin in range(0, 60, 20):
        some = journaled[begin : begin + 20]
        features, answers, shares = (
            json.dumps([getattr(p, name) for p in some])
            for name in ("features", "prediction", "probabilities")
        )
        entry_id = f"{id_begin(some[0].at)}{begin:020x}"
        journal.append(
            [Record(entry_id, some[0].at, "3", "champion", None, features, answers, shares, 20)]
        )
        labelled = [
            (f"{entry_id}-{i}", p.outcome) for i, p in enumerate(some) if p.outcome is not None
        ]
        journal.add_labels(labelled, at=NOW)
    together = read(world, champion)
    assert len(ids) == len(together) == len(alone) == 60
    assert together.sample.equals(alone.sample)
    for name in ("answer", "prediction", "outcome"):
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))
    assert together.labels == alone.labels == Labels(matched=30)
    assert np.isfinite(together.lag).sum() == 30


def test_a_row_of_another_contract_among_others_of_its_request(
    world: World, champion: Champion
) -> None:
    good = {"charge": 12.5, "tenure": 3, "plan": "pro", "paperless": True}
    features = json.dumps([good, {**good, "charge": "12,5"}, good])
    world.journal.append(
        [
            Record(
                id_begin(NOW - 1) + "9" * 20,
                NOW - 1,
                "3",
                "champion",
                None,
                features,
                '["no", "perhaps", "yes"]',
                None,
                3,
            )
        ]
    )
    window = read(world, champion)
    assert len(window) == 3
    assert window.columns["charge"].mistyped == 1
    np.testing.assert_array_equal(window.prediction, [0, np.nan, 1])


def test_the_latest_rows_are_counted_in_requests_of_many(world: World) -> None:
    for i in range(4):
        at = NOW - 100 + 10 * i
        world.journal.append(
            [
                Record(
                    f"{id_begin(at)}{i:020x}",
                    at,
                    "3",
                    "champion",
                    None,
                    "[{},{}]",
                    '["no","no"]',
                    None,
                    2,
                )
            ]
        )
    engine = world.journal.engine
    assert [latest_rows(engine, rows, NOW) for rows in (1, 2, 3, 8, 99)] == [
        NOW - 70,
        NOW - 70,
        NOW - 80,
        NOW - 100,
        NOW - 100,
    ]


def test_a_window_by_rows(world: World) -> None:
    record(world, customers(500, 67))
    start = latest_rows(world.journal.engine, 200, NOW)
    assert sum(p.at >= start for p in world.journal.predictions()) == 200


OLD_MOMENTS = ["2026-W01-1", "2026-01-31T10:10:10,5", "2026-01-31", "2026-01-31T10:10:10+01:00:30"]


def test_moments_of_an_older_journal_are_read_or_counted(world: World, champion: Champion) -> None:
    good = {"charge": 12.5, "tenure": 3, "plan": "pro", "paperless": True}
    for i, seen_at in enumerate([*OLD_MOMENTS, "yesterday", "", 5]):
        features = json.dumps({**good, "seen_at": seen_at})
        world.journal.append(
            [
                Record(
                    f"{id_begin(NOW - 1)}{i:020x}",
                    NOW - 1,
                    "3",
                    "champion",
                    None,
                    features,
                    '"no"',
                    None,
                )
            ]
        )
    chunk = next(chunks(world.journal.engine, SPAN, world.contract))
    assert (
        chunk.table["seen_at"].to_pylist()
        == [parse_moment(text) for text in OLD_MOMENTS] + [None] * 3
    )
    assert chunk.mistyped == {"seen_at": 3}
    assert len(read(world, champion)) == 7


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=9,
)
stored = anything.map(json.dumps) | st.sampled_from(
    ["", "{", "[]", "[1", "1e999", '{"charge": 1e999}', "nonsense"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    entries=st.lists(
        st.tuples(stored, stored, st.none() | stored, stored, st.integers(1, 3)),
        min_size=1,
        max_size=4,
    )
)
@example(entries=[('{"charge": 9007199254740993}', "[1", None, "", 1)])
def test_no_content_of_a_journal_ends_in_a_traceback(
    entries: list[tuple[str, str, str | None, str, int]], world: World, champion: Champion
) -> None:
    rows = sum(entry[-1] for entry in entries)
    for i, (features, prediction, shares, outcome, n) in enumerate(entries):
        name = f"{id_begin(NOW - 1)}{i:020x}"
        world.journal.append(
            [Record(name, NOW - 1, "3", "champion", None, features, prediction, shares, n)]
        )
        with world.journal.engine.begin() as connection:
            label = {
                "prediction_id": ids_of(name, n)[0],
                "entry_id": name,
                "outcome": outcome,
                "at": NOW,
            }
            connection.execute(LABELS.insert(), label)
    try:
        window = read(world, champion)
        assert len(window) == rows
        assert all(column.mistyped <= rows for column in window.columns.values())
        assert np.isfinite(
            [[column.low, column.high] for column in window.columns.values() if column.low < np.inf]
        ).all()
    finally:
        world.journal.remove(NOW, rows)


def test_an_empty_span_is_a_window_of_no_rows(world: World, champion: Champion) -> None:
    window = read(world, champion)
    assert len(window) == 0
    assert list(window.sample) == world.contract.names
    assert window.labels == Labels()

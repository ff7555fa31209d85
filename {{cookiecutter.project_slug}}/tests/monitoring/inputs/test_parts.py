"""A window in parts is the window read at once, number for number."""

from __future__ import annotations

import json
import math
import pickle
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.errors import UserError
from ml.journal import export
from ml.journal.bulk.ripeness import label_cohorts
from ml.journal.bulk.scan import Span
from ml.journal.records import Record, id_begin, ids_of
from ml.journal.schema import PREDICTIONS
from ml.journal.store import Journal
from ml.monitoring.inputs import tallies
from ml.monitoring.inputs.parts import (
    ExportPart,
    JournalPart,
    WindowPart,
    address_of,
    code,
    export_parts,
    journal_parts,
    read_parts,
    tally_part,
)
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.inputs.tallies import Merging, Watching
from ml.monitoring.inputs.window import Window, read_window, window_of
from ml.monitoring.monitor import evaluate_window, run_checks
from ml.scale.local import LocalPool
from tests.journal.postgresql import Database, copy_answers, needs_postgresql
from tests.monitoring.conftest import DAY, NOW, World, customers, record

SPAN = Span(NOW - 30 * DAY, NOW)
RIPE = NOW - 5 * DAY


@pytest.fixture
def filled(world: World, champion: Champion, monkeypatch: pytest.MonkeyPatch) -> World:
    """A journal of 1,200 rows, of two versions, some in one request; samples are small."""
    monkeypatch.setattr(tallies, "SAMPLE", 100)
    monkeypatch.setattr(tallies, "ANSWERS", 300)
    ids = record(world, customers(800, 5), labelled=0.7)
    record(world, customers(200, 6), NOW - 9 * DAY, NOW - 3 * DAY, version="4")
    world.journal.add_labels([(ids[0], "no"), (ids[1], "yes"), ("nobody", "yes")], at=NOW - 1)
    for i in range(20):
        _request_of_ten(world, NOW - (i + 0.5) * DAY, i)
    return world


def _request_of_ten(world: World, at: float, seed: int) -> None:
    entry = f"{id_begin(at)}{seed:020x}"
    rng = random.Random(seed)  # no secret
    rows = [{"charge": rng.gauss(64, 20), "tenure": 7, "plan": "new", "paperless": 1}] * 10
    shares = [{"no": 0.25, "yes": 0.75}] * 10
    ids, features, answers, probabilities = (
        json.dumps(each) for each in ([None] * 10, rows, ["yes"] * 10, shares)
    )
    texts = ids, features, answers, probabilities
    world.journal.append([Record(entry, at, "3", "champion", *texts, 10)])
    world.journal.add_labels([(each, "yes") for each in ids_of(entry, 10)[:4]], at=at + DAY)


def watching(champion: Champion) -> Watching:
    return Watching(champion.contract, champion.profiles, "3", RIPE)


def whole(world: World, champion: Champion) -> Window:
    profiles = champion.profiles
    return read_window(world.journal.engine, SPAN, world.contract, profiles, "3", ripe_before=RIPE)


def in_parts(parts: Sequence[WindowPart], champion: Champion) -> Window:
    """Each part is sent to another process and back, as an executor does, and ends when it does."""
    merging = Merging(watching(champion))
    sent = [pickle.loads(pickle.dumps(part)) for part in parts]  # noqa: S301  # of this test
    places = list(range(len(sent)))
    random.Random(len(sent)).shuffle(places)
    for place in places:
        tallied = pickle.dumps(tally_part((code(), sent[place])))
        merging.add(place, pickle.loads(tallied))  # noqa: S301
    return window_of(merging.merged(), SPAN)


def assert_same(one: Window, other: Window, but: tuple[str, ...] = ()) -> None:
    """Equal bit by bit, but for fields that are named."""
    for name, value in vars(one).items():
        if name in but:
            continue
        theirs = getattr(other, name)
        if name == "columns":
            assert _numbers(one) == _numbers(other)
        elif isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, theirs, check_exact=True)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, theirs, strict=True)
        else:
            assert value == theirs, name


def _numbers(window: Window) -> dict[str, object]:
    return {
        name: [
            *(np.asarray(each).tolist() for each in vars(column.tally).values()),
            (column.outside, column.mistyped, column.unlisted, column.low, column.high),
        ]
        for name, column in window.columns.items()
    }


@pytest.mark.parametrize("seed", range(4))
def test_any_split_of_the_journal_comes_to_the_same(
    filled: World, champion: Champion, seed: int
) -> None:
    rng = random.Random(seed)
    cuts = sorted(math.floor(rng.uniform(SPAN.start, SPAN.end)) for _ in range(rng.randint(1, 9)))
    ends = [SPAN.start, *map(float, cuts), SPAN.end]
    size = rng.choice([3, 50, 25_000])
    parts: list[WindowPart] = [
        JournalPart(filled.journal.url, Span(*each), watching(champion), size)
        for each in pairwise(ends)
    ]
    one, other = whole(filled, champion), in_parts(parts, champion)
    assert_same(one, other)
    assert (one.rows, one.labels.unknown, one.labels.repeated + one.labels.corrected) == (
        1200,
        1,
        2,
    )
    assert len(one.outcome) <= 600
    assert len(one.sample) <= 200
    settings = filled.params.monitor
    of_whole, of_parts = (run_checks(each, champion, settings) for each in (one, other))
    assert of_whole.findings == of_parts.findings
    assert of_whole.columns == of_parts.columns
    assert of_whole.performance == of_parts.performance


def test_the_sample_knows_its_rows(filled: World, champion: Champion) -> None:
    window = whole(filled, champion)
    engine, column = filled.journal.engine, PREDICTIONS.c
    with engine.connect() as connection:
        query = PREDICTIONS.select().order_by(column.prediction_id)
        entries = {each.prediction_id: each for each in connection.execute(query)}
    for (entry, place), charge, answer in zip(
        window.asked, window.sample["charge"], window.answer[window.places], strict=True
    ):
        features = json.loads(entries[entry].features)
        shares = json.loads(entries[entry].probabilities)
        if entries[entry].rows > 1:
            features, shares = features[place], shares[place]
        assert (features["charge"], shares["yes"]) == (charge, answer[1])


def test_equal_stretches_cover_the_span(filled: World, champion: Champion) -> None:
    parts = journal_parts(filled.journal.url, SPAN, watching(champion), 7)
    assert len(parts) == 7
    assert parts[0].span.start == SPAN.start
    assert parts[-1].span.end == SPAN.end
    assert all(one.span.end == other.span.start for one, other in pairwise(parts))
    assert_same(whole(filled, champion), in_parts(parts, champion))
    assert_same(whole(filled, champion), read_parts(parts, watching(champion), SPAN))


def test_nothing_there_is_a_window_of_no_rows(world: World, champion: Champion) -> None:
    parts = journal_parts(world.journal.url, SPAN, watching(champion), 3)
    window = in_parts(parts, champion)
    assert (len(window), window.answer.shape, window.repeated) == (0, (0, 2), 0.0)


def test_an_export_comes_to_the_same(
    filled: World, champion: Champion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ROWS", 90)
    export.export("all.parquet")
    parts = export_parts(["all.parquet"], SPAN, watching(champion), groups=3)
    assert len(parts) == 5
    one, other = whole(filled, champion), in_parts(parts, champion)
    assert_same(one, other, but=("labels", "lag", "asked"))  # rows stand alone in an export
    np.testing.assert_allclose(one.lag, other.lag, atol=2e-6)
    assert other.labels.matched == one.labels.matched
    assert isinstance(parts[0], ExportPart)
    assert parts[-1].name == "all.parquet 12-13"


def test_processes_of_this_machine_come_to_the_same(
    world: World, champion: Champion, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = record(world, customers(600, 5), labelled=0.7)
    world.journal.add_labels([(ids[0], "no"), ("nobody", "yes")], at=NOW - 1)
    monkeypatch.setattr("ml.monitoring.monitor.PARTS", 5)
    settings, engine = world.params.monitor, world.journal.engine
    pool, places = LocalPool(2), (Path("one"), Path("other"))
    one = evaluate_window(engine, champion, SPAN, settings, places[0])
    other = evaluate_window(engine, champion, SPAN, settings, places[1], executor=pool)
    told = other.model_copy(update={"judged_at": one.judged_at})
    assert told.model_dump_json() == one.model_dump_json()
    Path("serving/journal.db").rename("serving/gone.db")
    parts = journal_parts(world.journal.url, SPAN, watching(champion), 2)
    with pytest.raises(UserError, match=r"journal.db: no such file where the part is read; no v"):
        read_parts(parts, watching(champion), SPAN, pool)


def test_a_worker_with_other_code_refuses(world: World, champion: Champion) -> None:
    (part,) = journal_parts(world.journal.url, SPAN, watching(champion), 1)
    with pytest.raises(UserError, match="other code or libraries"):
        tally_part(("another", part))
    assert address_of(world.journal.engine).endswith(str(Path("serving/journal.db").absolute()))


def test_a_file_that_is_no_export_is_named(world: World, champion: Champion) -> None:
    Path("some.parquet").write_bytes(b"no")
    pd.DataFrame({"a": [1]}).to_parquet("other.parquet")
    for name, reason in (
        ("none.parquet", "No such file"),
        ("some.parquet", "no export of a journal"),
        ("other.parquet", "without the columns"),
    ):
        with pytest.raises(UserError, match=reason):
            export_parts([name], SPAN, watching(champion))


@pytest.fixture
def months(cluster: Database) -> Iterator[Journal]:
    """An empty PostgreSQL journal."""
    with closing(Journal(cluster.url)) as journal:
        yield journal


@pytest.mark.slow
@needs_postgresql
def test_months_of_postgresql_come_to_the_same(
    filled: World, champion: Champion, months: Journal
) -> None:
    copy_answers(filled.journal, months)
    journals = (filled.journal, months)
    one, other = (label_cohorts(each.engine, [SPAN], RIPE)[0] for each in journals)
    assert (one.rows, one.ripe, one.labelled) == (other.rows, other.ripe, other.labelled)
    np.testing.assert_array_equal(one.delays, other.delays)
    parts = journal_parts(months.url, SPAN, watching(champion), 5)
    assert_same(whole(filled, champion), in_parts(parts, champion))

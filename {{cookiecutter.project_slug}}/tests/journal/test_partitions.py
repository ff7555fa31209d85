"""A PostgreSQL journal by months: made ahead, dropped by retention; an earlier one is divided."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ml.encode import DAY_SECONDS
from ml.errors import UserError
from ml.journal import export
from ml.journal.partitions import MONTHS_AHEAD, Month, add_months, is_divided, month_of
from ml.journal.records import Record, id_begin
from ml.journal.schema import METADATA
from ml.journal.store import Journal
from tests.conftest import write_settings
from tests.journal.postgresql import Database, needs_postgresql

pytestmark = [pytest.mark.slow, needs_postgresql]

NOW = datetime(2026, 3, 15, tzinfo=UTC).timestamp()


@pytest.fixture
def empty(
    cluster: Database, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[sa.Engine]:
    """A database of the test's own without tables, which JOURNAL_URL names; it is 15 March 2026."""
    name = f"t{abs(hash(request.node.name))}"
    with closing(Journal(cluster.url)) as journal, journal.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = cluster.url.replace("/postgres?", f"/{name}?")
    monkeypatch.setenv("JOURNAL_URL", url)
    for module in ("store", "export"):
        monkeypatch.setattr(f"ml.journal.{module}.now", lambda: NOW)
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def entry_id(at: float, number: int) -> str:
    return f"{id_begin(at)}{number:020x}"


def _fill(journal: Journal, *days_ago: float) -> list[str]:
    """An answer of each day, with a label."""
    moments = [NOW - days * DAY_SECONDS for days in days_ago]
    ids = [entry_id(at, i) for i, at in enumerate(moments)]
    rest = ("1", "champion", None, '{"plan": "basic"}', '"no"', '{"no": 1}')
    journal.append([Record(i, at, *rest) for i, at in zip(ids, moments, strict=True)])
    journal.add_labels([(i, "no") for i in ids])
    return ids


def _rows(engine: sa.Engine, tables: str) -> dict[str, int]:
    """How many rows each partition of a table holds."""
    query = f"SELECT tableoid::regclass::text, count(*) FROM {tables} GROUP BY 1"  # noqa: S608
    with engine.connect() as connection:
        return {str(name): int(count) for name, count in connection.exec_driver_sql(query)}


def _partitions(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return {name for name in sa.inspect(connection).get_table_names() if "_2026_" in name}


def test_months_follow_each_other_over_years() -> None:
    assert Month(2026, 11).after(3) == Month(2027, 2)
    assert month_of(Month(2027, 1).begin - 0.001) == Month(2026, 12)
    assert Month(2026, 3).name == "2026_03"


def test_several_replicas_open_an_empty_database_at_once(project: Path, empty: sa.Engine) -> None:
    def opened(_: int) -> None:
        Journal().close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(opened, range(6)))
    ahead = [Month(2026, 3).after(i).name for i in range(MONTHS_AHEAD + 1)]
    expected = {f"{table}_{name}" for table in METADATA.tables for name in ahead}
    assert _partitions(empty) == expected


def test_rows_lie_in_their_month_also_where_it_was_made_later(
    project: Path, empty: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Journal()) as journal:
        ids = _fill(journal, 0, -200)  # the second from a clock that is far ahead
        journal.add_labels([("elsewhere", "no")])
        for table in ("predictions", "labels"):
            others = 1 if table == "predictions" else 2
            assert _rows(empty, table) == {f"{table}_2026_03": 1, f"{table}_others": others}
        monkeypatch.setattr("ml.journal.store.now", lambda: NOW + 190 * DAY_SECONDS)
        journal.probe()  # as the service does every few seconds
        assert _rows(empty, "predictions") == {"predictions_2026_03": 1, "predictions_2026_10": 1}
        assert _rows(empty, "labels")["labels_others"] == 1
        assert {p.prediction_id: p.outcome for p in journal.predictions()} == dict.fromkeys(
            ids, "no"
        )
        assert journal.bytes() > 100_000
        add_months(journal.engine, NOW)  # nothing to do


def test_retention_drops_whole_months(project: Path, empty: sa.Engine) -> None:
    with closing(Journal()) as journal:
        add_months(journal.engine, NOW - 80 * DAY_SECONDS)  # December; those after it are there
        _fill(journal, 80, 79)
        kept = _fill(journal, 40, 0)
        assert export.prune(days=45) == 2
        assert [p.prediction_id for p in journal.labelled()] == kept
        assert export.prune(days=39) == 0  # its month is not over yet
        write_settings(project / "params.yaml", journal__whole_months=False)
        assert export.prune(days=39) == 1
        assert [p.prediction_id for p in journal.labelled()] == kept[1:]


def test_a_month_that_somebody_reads_is_dropped_when_they_have_read(
    project: Path, empty: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Journal()) as journal:
        _fill(journal, 0)
        monkeypatch.setattr("ml.journal.export.now", lambda: NOW + 60 * DAY_SECONDS)
        with ThreadPoolExecutor(1) as pool, empty.connect() as reader:
            reader.exec_driver_sql("SELECT count(*) FROM predictions")
            pruning = pool.submit(export.prune, 1)
            while not _waits(empty):
                time.sleep(0.01)
            kept = _fill(journal, -60)  # appends go through behind each try
            reader.rollback()
            assert pruning.result() == 1
        assert [p.prediction_id for p in journal.labelled()] == kept


def _waits(engine: sa.Engine) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with engine.connect() as connection:
        return bool(connection.exec_driver_sql(query).scalar())


def test_an_earlier_journal_goes_on_and_is_divided_by_a_word(
    project: Path, empty: sa.Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    METADATA.create_all(empty)
    with closing(Journal()) as journal:
        assert not is_divided(journal.engine)
        ids = _fill(journal, 80, 0)
        journal.add_labels([("elsewhere", "no")])
        journal.probe()
        journal.close()
        export.divide()
        assert "divided by months" in capsys.readouterr().out
        assert is_divided(journal.engine)
        ids += _fill(journal, -31)
        assert _rows(empty, "predictions") == {"predictions_before": 2, "predictions_2026_04": 1}
        outcomes = {p.prediction_id: p.outcome for p in journal.predictions()}
        assert outcomes == dict.fromkeys(ids, "no")
        assert export.prune(days=40) == 1
        assert journal.count() == 2
    with pytest.raises(UserError, match="divided by months already"):
        export.divide()


def test_sqlite_has_no_months(project: Path) -> None:
    with closing(Journal()) as journal:
        journal.probe()
        assert not is_divided(journal.engine)
    with pytest.raises(UserError, match="only a PostgreSQL journal"):
        export.divide()


def test_the_address_says_its_own_timeouts(database: Database) -> None:
    def milliseconds(url: str) -> Any:
        with closing(Journal(url, 8.0)) as journal, journal.engine.connect() as connection:
            return connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]

    assert milliseconds(database.url)["tcp_user_timeout"] == "8000"
    assert milliseconds(f"{database.url}&tcp_user_timeout=5000")["tcp_user_timeout"] == "5000"

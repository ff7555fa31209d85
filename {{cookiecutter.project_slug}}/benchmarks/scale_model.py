"""What more traffic costs, and which part breaks first: a model, held against measured points.

Reads: nothing. Writes: reports/benchmarks/scale_model.json; .bench/ holds the model and journals.
Run: `python -m benchmarks.scale_model` (needs wrk, PostgreSQL and HAProxy). It ends with status 3
where a measured point is further than 20 % from what the model says.

Each cost is a line of two numbers, fitted to two measured points and held against others that it
has not seen. Costs are CPU seconds and bytes, which other work on the machine changes less than
seconds of the clock. A closed loop of c connections commits about c / 2 requests at once, so a
request costs a + b / c.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.model import CONTRACT, write_model
from benchmarks.replicas import HERE, WORK, load, postgresql, replica
from tests.serving.replicas import proxied

REPORT = HERE / "reports" / "benchmarks" / "scale_model.json"
TOLERATED = 0.2
COLUMNS = 18
DAY = 86_400.0
RATES = (10.0, 1_000.0, 100_000.0)  # requests a second
DAILY_BYTES = 1e12  # of the fourth case
# what one machine is taken to have; change them to yours
CORES, DISK_BYTES, DISK_WRITES = 16, 4e12, 500e6  # of PostgreSQL's; bytes a second
MEMORY = 16e9  # of the machine that monitors
LARGE_TABLE = 5e8  # rows of one partition whose index stays in memory: a rule of thumb
WINDOW_DAYS = 30  # monitor.window_days
PAIR_BYTES = 16  # of a request in the loop's look at label delays (ml/journal/bulk/ripeness.py)
LIVE_SHARE = 0.5  # of a processor or a disk that may be used as a rule


@dataclass(frozen=True)
class Line:
    """y = a + b x, through two points."""

    a: float
    b: float

    @classmethod
    def through(cls, points: dict[float, float]) -> Line:
        """The line through two points, x to y."""
        (x, y), (x2, y2) = points.items()
        slope = (y2 - y) / (x2 - x)
        return cls(y - slope * x, slope)

    def at(self, x: float) -> float:
        """Its value."""
        return self.a + self.b * x


@dataclass(frozen=True)
class Held:
    """A point that the model has not seen."""

    what: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """How far the prediction is from it, as a share."""
        return self.predicted / self.measured - 1


@dataclass(frozen=True)
class Costs:
    """What one machine was measured to do.

    Args:
        service, database: CPU seconds of a request, by 1 / connections of a replica.
        row_bytes: of a request of one row in the journal.
        monitored: CPU seconds of a window, by rows; `scored` of a table.
        sync_seconds: until a small write is on disk, the median.
    """

    service: Line
    database: Line
    row_bytes: float
    monitored: Line
    scored: Line
    sync_seconds: float


def request_costs(rounds: int) -> tuple[Line, Line, list[Held]]:
    """Of the service and of the database; one replica and three, in turns of a second."""
    points = {(1, 6): "", (1, 48): "", (1, 16): "", (3, 48): ""}
    spent: dict[tuple[int, int], list[Any]] = {point: [] for point in points}
    with ExitStack() as stack:
        address = stack.enter_context(postgresql())
        urls = [stack.enter_context(replica(address, "0,1")) for _ in range(3)]
        fronts = {
            1: stack.enter_context(proxied(urls[:1] * 3)),
            3: stack.enter_context(proxied(urls)),
        }
        for _ in range(rounds + 1):  # the first warms
            for count, connections in points:
                run = load("", fronts[count], connections, 1, urls)
                spent[count, connections].append(run)

    def median(point: tuple[int, int], field: str) -> float:
        return float(statistics.median(getattr(run, field) for run in spent[point][1:]))

    lines: list[Line] = []
    held: list[Held] = []
    for field in ("service", "database"):
        line = Line.through({1 / c: median((1, c), field) for c in (6, 48)})
        lines.append(line)
        for count, connections in ((1, 16), (3, 48)):
            said = line.at(count / connections)
            what = f"CPU µs of the {field} a request, {count} replica(s), {connections} connections"
            held.append(Held(what, said * 1e6, median((count, connections), field) * 1e6))
    service, database = lines
    return service, database, _together(held)


def _together(held: list[Held]) -> list[Held]:
    """Service and database of each point added up: one is measured in ticks of 10 ms."""
    half = len(held) // 2
    return [
        Held(one.what.replace("the service", "service and database"),
             one.predicted + other.predicted, one.measured + other.measured)
        for one, other in zip(held[:half], held[half:], strict=True)
    ]  # fmt: skip


def journal_bytes() -> tuple[float, list[Held]]:
    """Bytes of a row, from 3,000 and 6,000 rows, held against 20,000."""
    from ml.journal.store import Journal

    with postgresql() as address:
        journal = Journal(address)
        empty, sizes, begin = journal.bytes(), dict[int, int](), 0
        for rows in (3_000, 6_000, 20_000):
            journal.append(_records(begin, rows))
            sizes[rows], begin = journal.bytes() - empty, rows
        journal.close()
    line = Line.through({rows: sizes[rows] for rows in (3_000, 6_000)})
    return line.b, [Held("journal bytes, 20,000 rows", line.at(20_000), sizes[20_000])]


def _records(begin: int, end: int) -> list[Any]:
    from ml.journal.records import Record, id_begin

    row = json.loads((WORK / "rows-1.json").read_bytes())
    shares = json.dumps({"no": 0.7312345678901234, "yes": 0.2687654321098766})
    at = time.time() - 3600
    return [
        Record(f"{id_begin(at + i / 100)}{i * 7919:020x}", at + i / 100, "1", "champion", None,
               json.dumps(row, separators=(",", ":")), '"no"', shares)
        for i in range(begin, end)
    ]  # fmt: skip


def monitor_seconds() -> tuple[Line, list[Held]]:
    """CPU seconds of windows of 10,000 and 30,000 rows, held against 80,000."""
    sizes = (10_000, 30_000, 80_000)
    spent = {rows: _window_seconds(rows) for rows in sizes}
    line = Line.through({rows: spent[rows] for rows in sizes[:2]})
    return line, [Held("CPU s of a window, 80,000 rows", line.at(80_000), spent[80_000])]


def _window_seconds(rows: int) -> float:
    """The least of three, in this process: from the journal to tallies."""
    from benchmarks.monitoring import contract_of, fill, frame_of
    from ml.journal.bulk.scan import Span
    from ml.journal.store import Journal
    from ml.monitoring.inputs.reference import champion_of
    from ml.monitoring.inputs.window import read_window

    contract = contract_of(COLUMNS)
    released = {"name": "b", "version": "1", "released_at": "2026-01-01T00:00:00+00:00"}
    reference = frame_of(5_000, COLUMNS, 1)
    champion = champion_of({"metric": "roc_auc"}, released, contract, reference)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        fill(Path(folder), rows, COLUMNS)
        engine = Journal(f"sqlite:///{folder}/journal.db").engine
        spent = []
        for _ in range(3):
            began = time.process_time()
            read_window(engine, Span(0.0, 1e12), contract, champion.profiles, "1")
            spent.append(time.process_time() - began)
    return min(spent)


def score_seconds() -> tuple[Line, list[Held]]:
    """CPU seconds of tables of 20,000 and 60,000 rows, held against 150,000."""
    from ml.bundle import load_bundle
    from ml.dataset.frame import encode_frame, frame_of_rows
    from ml.encode import Encoder

    bundle, encoder = load_bundle(WORK / "bundle"), Encoder(CONTRACT)
    some = frame_of_rows(json.loads((WORK / "rows-1000.json").read_bytes()), CONTRACT)

    def seconds(rows: int) -> float:
        import pandas as pd

        frame, spent = pd.concat([some] * (rows // 1000), ignore_index=True), []
        for _ in range(3):
            began = time.process_time()
            bundle.answer(encode_frame(frame, encoder))
            spent.append(time.process_time() - began)
        return min(spent)

    measured = {rows: seconds(rows) for rows in (20_000, 60_000, 150_000)}
    line = Line.through({rows: measured[rows] for rows in (20_000, 60_000)})
    return line, [Held("CPU s to score 150,000 rows", line.at(150_000), measured[150_000])]


def sync_seconds() -> float:
    """Until a small write is on disk."""
    from ml.journal.database import sync

    spent = []
    with tempfile.TemporaryFile(dir=WORK) as file:
        file.write(bytes(5_000_000))
        for _ in range(100):
            file.seek(0)
            file.write(bytes(600))
            file.flush()
            began = time.perf_counter()
            sync(file.fileno())
            spent.append(time.perf_counter() - began)
    return statistics.median(spent)


@dataclass(frozen=True)
class Case:
    """What a rate of requests of one row needs.

    Args:
        rate: requests a second.
        service_cores: busy processors of the service, and `database_cores` of PostgreSQL.
        bytes_a_day: of the journal.
        month_rows: in a partition.
        syncs: share of the time that a SQLite journal waits for the disk.
        monitor_hours: of one processor for a window of WINDOW_DAYS.
        score_hours: of one processor to score the rows of one month again.
        days_on_disk: until the disk is half full.
        breaks: parts that are used beyond their share, the worst first: (part, use).
    """

    rate: float
    service_cores: float
    database_cores: float
    bytes_a_day: float
    month_rows: float
    syncs: float
    monitor_hours: float
    score_hours: float
    days_on_disk: float
    breaks: tuple[tuple[str, float], ...]


def case_of(rate: float, costs: Costs) -> Case:
    """What the model says about a rate; a replica is taken to have 16 requests inside."""
    inside = 1 / 16
    rows_a_day = rate * DAY
    service = rate * costs.service.at(inside)
    database = rate * costs.database.at(inside)
    of_a_day = rows_a_day * costs.row_bytes
    monitored = costs.monitored.b * rows_a_day * WINDOW_DAYS / 3600
    days = DISK_BYTES * LIVE_SHARE / of_a_day
    use = {
        "one core of the service": service / LIVE_SHARE,
        "PostgreSQL's processors": database / (CORES * LIVE_SHARE),
        "PostgreSQL's disk, written twice (log and tables)": 2
        * rate
        * costs.row_bytes
        / (DISK_WRITES * LIVE_SHARE),
        "a month of journal on one disk": 31 / days,
        "the monitor's window on one core, each day": monitored / 24,
        "label delays of a window in memory": rows_a_day
        * WINDOW_DAYS
        * PAIR_BYTES
        / (MEMORY * LIVE_SHARE),
        "a month in one partition": rows_a_day * 31 / LARGE_TABLE,
    }
    worst = sorted(((k, v) for k, v in use.items() if v > 1), key=lambda each: -each[1])
    return Case(
        rate=rate,
        service_cores=service,
        database_cores=database,
        bytes_a_day=of_a_day,
        month_rows=rows_a_day * 31,
        syncs=rate * 2 * inside * costs.sync_seconds,
        monitor_hours=monitored,
        score_hours=costs.scored.b * rows_a_day * 31 / 3600,
        days_on_disk=days,
        breaks=tuple(worst),
    )


def cases(costs: Costs) -> list[Case]:
    """The stated rates, and the one whose journal grows by a terabyte a day."""
    return [case_of(rate, costs) for rate in (*RATES, DAILY_BYTES / (costs.row_bytes * DAY))]


def measured(rounds: int) -> tuple[Costs, list[Held]]:
    """Every cost, and the points that the model is held against."""
    service, database, held = request_costs(rounds)
    row_bytes, of_bytes = journal_bytes()
    monitored, of_windows = monitor_seconds()
    scored, of_scores = score_seconds()
    costs = Costs(service, database, row_bytes, monitored, scored, sync_seconds())
    return costs, [*held, *of_bytes, *of_windows, *of_scores]


def main() -> int:
    """Measure, write, print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of loads")
    WORK.mkdir(exist_ok=True)
    write_model(WORK)
    costs, held = measured(parser.parse_args().rounds)
    print_costs(costs, held)
    print_cases(cases(costs))
    report = {"costs": asdict(costs), "held": [asdict(each) for each in held]}
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    return 3 if any(abs(each.error) > TOLERATED for each in held) else 0


def print_costs(costs: Costs, held: list[Held]) -> None:
    """The inputs, and the points that they were held against."""
    of_request = costs.service.at(1 / 16)
    print(f"requests/s of one core of the service, 16 inside: {1 / of_request:,.0f}")
    print(f"CPU of PostgreSQL a request: {costs.database.at(1 / 16) * 1e6:.0f} µs")
    print(f"journal, bytes a request: {costs.row_bytes:,.0f}")
    both = of_request + costs.database.at(1 / 16)
    print(f"a million requests: {both * 1e6 / 3600:.3f} core-hours, {costs.row_bytes / 1e3:.2f} GB")
    print(f"syncs a second of this disk: {1 / costs.sync_seconds:,.0f}")
    print(f"rows/s of one core, monitored: {1 / costs.monitored.b:,.0f}")
    print(f"rows/s of one core, scored: {1 / costs.scored.b:,.0f}")
    print("\n| not calibrated on | model | measured | error |\n|---|---|---|---|")
    for each in held:
        print(f"| {each.what} | {each.predicted:.4g} | {each.measured:.4g} | {each.error:+.0%} |")


def print_cases(rows: list[Case]) -> None:
    """A column for each case."""
    named = {
        "requests a second": [f"{each.rate:,.0f}" for each in rows],
        "busy cores of the service": [_short(each.service_cores) for each in rows],
        "busy cores of PostgreSQL": [_short(each.database_cores) for each in rows],
        "journal a day": [f"{_short(each.bytes_a_day / 1e9)} GB" for each in rows],
        "rows in a month's partition": [f"{each.month_rows:.1e}" for each in rows],
        "a SQLite journal waits for its disk": [f"{each.syncs:.0%} of the time" for each in rows],
        "one core judges a window of 30 days in": [
            f"{_short(each.monitor_hours)} h" for each in rows
        ],
        "one core scores a month in": [f"{_short(each.score_hours)} h" for each in rows],
        "days until a 4 TB disk is half full": [f"{each.days_on_disk:,.0f}" for each in rows],
        "beyond its share, the worst first": [
            "; ".join(f"{name} x {_short(use)}" for name, use in each.breaks) or "nothing"
            for each in rows
        ],
    }
    print("\n| |" + " |" * len(rows) + "\n|---|" + "---|" * len(rows))
    for name, cells in named.items():
        print(f"| {name} |", " | ".join(cells), "|")


def _short(value: float) -> str:
    digits = max(0, 1 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{digits}f}" if value < 10 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())

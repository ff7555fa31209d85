"""Seconds and peak memory of judging a window, beside Evidently's preset on the same rows.

Each measurement is a process of its own that reads the same sqlite journal with the same reader:
ours streams it to findings (quality, drift of columns and prediction), Evidently's gathers it into
a frame and runs DataDriftPreset and DataSummaryPreset on the columns. The peak is what the process
needed above its imports. Ours is never shown without its reading; Evidently's is shown with and
without.
Run: `python -m benchmarks.monitoring` (1M rows x 20 columns and the steps below), or `… 20000x20
50000x20`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True

GRID = ((100_000, 5), (100_000, 10), (100_000, 20), (300_000, 20), (1_000_000, 20))
REFERENCE_ROWS = 20_000
BATCH = 50_000
LEVELS = [f"level_{i}" for i in range(12)]
MEBIBYTE = 1024  # ru_maxrss counts kibibytes on Linux
HEADS = (
    "rows x columns",
    "ours",
    "Evidently",
    "of it its report",
    "time",
    "of the report",
    "memory",
)


def contract_of(columns: int) -> Any:
    """Every fourth column has 12 levels, the others are numbers; the target has two classes."""
    from ml.contract import Contract

    target = {"name": "y", "task": "binary", "classes": ["no", "yes"]}
    return Contract.model_validate({"target": target, "columns": [*map(column_of, range(columns))]})


def column_of(place: int) -> dict[str, Any]:
    """A column of the contract."""
    if place % 4 == 3:
        return {"name": f"c{place}", "kind": "categorical", "levels": LEVELS}
    return {"name": f"c{place}", "kind": "numeric"}


def frame_of(rows: int, columns: int, seed: int) -> Any:
    """Seeded rows with their answers, as the reference holds them."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    features: dict[str, Any] = {
        f"c{i}": rng.choice(np.array(LEVELS, dtype=object), rows)
        if i % 4 == 3
        else rng.lognormal(0, 1, rows).round(4)
        for i in range(columns)
    }
    chance = rng.random(rows).round(4)
    label = np.where(chance > 0.5, "yes", "no").astype(object)
    return pd.DataFrame(features).assign(
        y=label,
        prediction=label,
        **{"probability:no": (1 - chance).round(4), "probability:yes": chance},
    )


def fill(folder: Path, rows: int, columns: int) -> None:
    """Write the journal and the reference."""
    from ml.dataset.frame import rows_of_frame
    from ml.journal.records import Record
    from ml.journal.store import Journal

    journal, contract = Journal(f"sqlite:///{folder}/journal.db"), contract_of(columns)
    frame_of(REFERENCE_ROWS, columns, 1).to_parquet(folder / "reference.parquet")
    for start in range(0, rows, BATCH):
        frame = frame_of(min(BATCH, rows - start), columns, 2 + start)
        shares = zip(
            frame["probability:no"].tolist(), frame["probability:yes"].tolist(), strict=True
        )
        answered = zip(
            rows_of_frame(frame, contract), frame["prediction"].tolist(), shares, strict=True
        )
        journal.append(
            [
                Record(
                    f"{start + i:012d}",
                    float(start + i),
                    "1",
                    "champion",
                    None,
                    json.dumps(row),
                    json.dumps(label),
                    json.dumps({"no": no, "yes": yes}),
                )
                for i, (row, label, (no, yes)) in enumerate(answered)
            ]
        )


def ours(folder: Path, columns: int) -> None:
    """From the journal to findings."""
    import pandas as pd

    from ml.journal.bulk.scan import Span
    from ml.journal.store import Journal
    from ml.monitoring.checks.drift import drift, shifts
    from ml.monitoring.checks.quality import quality
    from ml.monitoring.inputs.reference import champion_of
    from ml.monitoring.inputs.window import read_window
    from ml.params import load_params

    begin()
    contract, settings = (
        contract_of(columns),
        load_params(Path(__file__).parents[1] / "params.yaml").monitor,
    )
    released = {"name": "b", "version": "1", "released_at": "2026-01-01T00:00:00+00:00"}
    champion = champion_of(
        {"metric": "roc_auc"}, released, contract, pd.read_parquet(folder / "reference.parquet")
    )
    engine = Journal(f"sqlite:///{folder}/journal.db").engine
    window = read_window(engine, Span(0.0, 1e12), contract, champion.profiles, "1")
    quality(window, champion, settings.max_faulty)
    drift(window, champion, shifts(window, champion, settings.min_rows), settings)
    end(len(window))


def evidentlys(folder: Path, columns: int) -> None:
    """From the journal to Evidently's presets."""
    import warnings

    warnings.simplefilter("ignore")
    import pandas as pd
    import pyarrow as pa
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    from ml.journal.bulk.scan import Span, chunks
    from ml.journal.store import Journal

    begin()
    contract = contract_of(columns)
    levels = [c.name for c in contract.columns if c.kind == "categorical"]
    engine = Journal(f"sqlite:///{folder}/journal.db").engine
    current = pa.concat_tables(
        [c.table for c in chunks(engine, Span(0.0, 1e12), contract)]
    ).to_pandas()
    definition = DataDefinition(
        categorical_columns=levels, numerical_columns=[n for n in contract.names if n not in levels]
    )
    reference = pd.read_parquet(folder / "reference.parquet")[contract.names]
    data = [Dataset.from_pandas(side, data_definition=definition) for side in (current, reference)]
    read_at = time.monotonic()
    Report([DataDriftPreset(), DataSummaryPreset()]).run(*data)
    end(len(current), report_seconds=time.monotonic() - read_at)


_START: dict[str, float] = {}


def begin() -> None:
    """The imports are done: from here it counts."""
    import sklearn.metrics  # noqa: F401  what either side imports later anyway

    _START.update(seconds=time.monotonic(), peak=_peak())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBIBYTE


def end(rows: int, **more: float) -> None:
    """Print what it took as JSON."""
    print(json.dumps({"rows": rows, "seconds": time.monotonic() - _START["seconds"],
                      "mib": _peak() - _START["peak"], "peak_mib": _peak(), **more}))  # fmt: skip


def measured(side: str, folder: Path, columns: int) -> dict[str, float]:
    """Run one side in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.monitoring", side, str(folder), str(columns)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return figures


def main(grid: list[tuple[int, int]]) -> None:
    """Measure and print."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="One window, from the journal to findings")
    for head in HEADS:
        table.add_column(head, justify="right")
    console = Console(stderr=True)
    for rows, columns in grid:
        size = f"{rows:,} x {columns}"
        with tempfile.TemporaryDirectory() as name, console.status(size):
            fill(Path(name), rows, columns)
            us, them = (measured(side, Path(name), columns) for side in ("ours", "evidentlys"))
        table.add_row(size, *compared(us, them))
    Console().print(table)


def compared(us: dict[str, float], them: dict[str, float]) -> list[str]:
    """A row of the table: both sides, and ours as a part of Evidently's."""
    return [
        f"{us['seconds']:.1f} s, {us['mib']:.0f} MiB",
        f"{them['seconds']:.1f} s, {them['mib']:.0f} MiB",
        f"{them['report_seconds']:.1f} s",
        f"1/{them['seconds'] / us['seconds']:.1f}",
        f"1/{them['report_seconds'] / us['seconds']:.1f}",
        f"1/{them['mib'] / us['mib']:.1f}",
    ]


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in ("ours", "evidentlys"):
        {"ours": ours, "evidentlys": evidentlys}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    else:
        given = [tuple(map(int, text.split("x"))) for text in sys.argv[1:]]
        main([(r, c) for r, c in given] or list(GRID))

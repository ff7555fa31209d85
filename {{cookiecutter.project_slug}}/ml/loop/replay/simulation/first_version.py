"""The first version of a replay: the first rows become its data; pipeline; release.

Runs in the copy of the project. Reads: contract.yaml, params.yaml. Writes: both (what a replay
needs otherwise), data/raw/0001-first.parquet, and what `dvc repro` and `ml release` write.
"""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.adopt.source.raw_store import dvc
from ml.atomic import write_text
from ml.contract import CONTRACT, JOURNALED, load_contract
from ml.dataset.reader import RAW
from ml.dataset.recipe import Recipe, write_recipe
from ml.encode import DAY_SECONDS
from ml.errors import UserError
from ml.loop.replay.options import BATCH
from ml.loop.replay.simulation.scratch import commit
from ml.pipeline.artifacts import CANDIDATES

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from ml.contract import Contract
    from ml.loop.replay.options import Options
    from ml.loop.replay.simulation.stream import Stream

PARAMS = Path("params.yaml")
FIRST = RAW / "0001-first.parquet"
FULL_SHARE = 0.9  # of a window's rows that the monitor asks for at least
SPARE_SECONDS = 120.0  # of real time that a window's rows may take to be sent
HOUR = 3600.0
PROBATION_WINDOWS = 2  # that a new champion answers before its probation may end without a result


def release_first(stream: Stream, options: Options) -> str:
    """Train and release the first version; the kind of its estimator.

    Raises:
        UserError: the pipeline stopped, or the gate refused it.
    """
    adapt(stream, options)
    RAW.mkdir(parents=True, exist_ok=True)
    first_part(stream.first, load_contract()).to_parquet(FIRST, index=False)
    write_recipe(Recipe(refit=True))  # what is known before the stream is learned from, all of it
    dvc("add", str(RAW))
    commit("The first rows")
    run_pipeline()
    kind = str(json.loads(CANDIDATES.read_bytes())["chosen"])
    commit("The first version")
    _release()
    return kind


def adapt(stream: Stream, options: Options) -> None:
    """The settings that a replay needs otherwise than the project has them."""
    _edit(PARAMS, lambda values: _adapt_params(values, stream, options))
    _edit(CONTRACT, lambda values: _set_maturity(values, stream, options.lag))


def _adapt_params(values: Any, stream: Stream, options: Options) -> None:
    monitor, loop, windows = values["monitor"], values["loop"], stream.windows
    values["serve"]["port"] = free_port()  # named, so that the loop's probation finds it
    fewest = int(FULL_SHARE * min(len(window.rows) for window in windows))
    monitor["min_rows"] = min(monitor["min_rows"], fewest)
    loop["service"] = None
    loop["approval"] = bool(options.deploy_lag)
    _adapt_probation(loop["probation"], stream, options)


def _adapt_probation(probation: Any, stream: Stream, options: Options) -> None:
    """A stream's window has few requests, and its outcomes come a window late or more."""
    fewest = min(len(window.rows) for window in stream.windows) // BATCH
    probation["min_requests"] = min(probation["min_requests"], fewest)
    days = max(window.end - window.start for window in stream.windows) / DAY_SECONDS
    if probation["max_days"]:
        needed = math.ceil(days * (options.lag + PROBATION_WINDOWS))
        probation["max_days"] = max(probation["max_days"], needed)


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _set_maturity(values: Any, stream: Stream, lag: int) -> None:
    values["target"]["matures_after"] = maturity(stream, lag)


def maturity(stream: Stream, lag: int) -> str:
    """How long after an answer its outcome counts: each one does when its label has come."""
    ends = np.array([window.end for window in stream.windows])
    if lag == 0 or len(ends) <= lag:
        return "0"
    shortest = float((ends[lag:] - ends[:-lag]).min()) - SPARE_SECONDS
    return f"{max(int(shortest // HOUR), 0)}h"


def _edit(path: Path, change: Callable[[Any], None]) -> None:
    """Change values of a YAML file; its comments stay."""
    from ruamel.yaml import YAML

    yaml, text = YAML(), StringIO()
    yaml.width = 4096  # no line is folded
    values = yaml.load(path.read_text(encoding="utf-8"))
    change(values)
    yaml.dump(values, text)
    write_text(path, text.getvalue())


def first_part(first: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The first rows as a part whose values are read as those of requests are."""
    ids = [f"first-{i:09d}" for i in range(1, len(first) + 1)]
    return first.assign(**{contract.added(JOURNALED): ids})


def run_pipeline() -> None:
    """`dvc repro`.

    Raises:
        UserError: a stage stopped; its own words stand in the log.
    """
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], check=False)
    if done.returncode:
        raise UserError(
            f"`dvc repro` stopped with status {done.returncode} on the first rows",
            "make flow, mend what it says, then make loop",
        )


def _release() -> None:
    from ml.release.commands import release

    decision = release()
    if not decision.passed:
        raise UserError(
            f"the gate refused the first version: {decision.reason}",
            "ml replay --train-first 0.5, or lower release.min_gain_over_baseline in params.yaml",
        )

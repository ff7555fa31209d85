"""The replay itself, in a process of its own that works in the copy of the project.

Run: `python -m ml.loop.replay.child '{"train_first": 0.3, …}' /path/of/the/project`, in the copy.
Writes: reports/replay of the project. Each line of its output is a JSON object for the parent (see
`ml.loop.replay.commands`); what else is printed goes to stderr, the parent's log.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np

from ml.clock import VARIABLE, set_clock
from ml.contract import load_contract
from ml.dataset.frame import target_codes
from ml.errors import UserError
from ml.loop.replay.baselines import row_losses
from ml.loop.replay.events import events_of
from ml.loop.replay.figures import Played, story_of
from ml.loop.replay.options import OUTPUTS, Options
from ml.loop.replay.simulation.first_version import release_first
from ml.loop.replay.simulation.live import Life, Lived
from ml.loop.replay.simulation.service import running_service
from ml.loop.replay.simulation.stream import Stream, read_stream
from ml.loop.replay.story import FILE, write_story
from ml.params import load_params

Tell = Callable[..., None]

BEFORE = 3600.0  # seconds between the first release and the stream


def replay(options: Options, project: Path, tell: Tell) -> None:
    """Live through the stream and write what came of it."""
    tell(step="reading the table")
    with chdir(project):
        stream = read_stream(load_contract(), options)
    tell(step="training the first version", windows=len(stream.windows), name=stream.name)
    # the one move that may go back: the machine's clock may be later than the stream
    set_clock(Path(os.environ[VARIABLE]), stream.windows[0].start - BEFORE)
    kind = release_first(stream, options)
    lived = _live(stream, options, tell)
    tell(step="what other policies would have answered")
    params = load_params().train.model_copy(update={"model": kind})
    contract = load_contract()
    story = story_of(Played(stream, lived, events_of(lived), contract, params, options))
    tell(step="drawing the page")
    _write(project / OUTPUTS, story)


def _live(stream: Stream, options: Options, tell: Tell) -> list[Lived]:
    contract = load_contract()
    tell(step="starting the service")
    with running_service() as client:
        life = Life(client, contract, options)
        for window in stream.windows:
            tell(window=_summary(life.window(window), life))
    return life.lived


def _summary(lived: Lived, life: Life) -> dict[str, Any]:
    y = target_codes(lived.slice.rows, life.contract)
    loss = row_losses(y, lived.answer, life.contract)
    return {
        "number": lived.slice.number,
        "rows": len(loss),
        "champion": lived.champion,
        "loss": float(np.nanmean(loss)) if np.isfinite(loss).any() else None,
        "verdict": lived.verdict,
        "action": lived.action,
        "acts": [f"{entry.action} {entry.to_version or ''}".strip() for entry in lived.entries],
        "seconds": lived.seconds,
    }


def _write(folder: Path, story: Any) -> None:
    from ml.loop.replay.page import write_page
    from ml.loop.replay.picture import write_picture

    folder.mkdir(parents=True, exist_ok=True)
    write_story(folder / FILE, story)
    write_page(folder / "index.html", story)
    write_picture(folder / "replay.png", story)


def _own_output() -> Tell:
    """What tells the parent; all else that is printed goes to stderr from now on."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(**values: Any) -> None:
        print(json.dumps(values), file=lines, flush=True)

    return tell


def main() -> int:
    """Run, and tell a person's mistake to the parent; the exit status."""
    tell = _own_output()
    try:
        replay(Options.model_validate_json(sys.argv[1]), Path(sys.argv[2]), tell)
    except UserError as error:
        tell(error=error.what, next=error.then)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

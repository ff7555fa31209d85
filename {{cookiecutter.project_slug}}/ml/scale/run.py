"""All parts on an executor; what failed once more, alone; what remains is told at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml.progress import counting
from ml.scale.part import Executor, Function, Outcome, Part

# failed parts that are tried again: where more of them fail it is not the part
RETRIED = 20


@dataclass
class Ended:
    """What all parts came to."""

    results: dict[str, Any] = field(default_factory=dict)  # of the parts that are done, by name
    failed: list[Outcome] = field(default_factory=list)


def run_parts(
    executor: Executor,
    function: Function,
    parts: Sequence[Part],
    seconds: float,
    what: str,
    take: Callable[[Outcome], None] | None = None,
) -> Ended:
    """Run every part; one that dies, raises or takes too long does not hold up the others.

    Alone, because a process that dies takes what else is in it along: a part that only stood
    beside a poisoned one is done at its second attempt.

    Args:
        executor: where they run.
        function: of a module; called with each part's task.
        parts: what to do.
        seconds: that one part may take; 0: no limit.
        what: the word before the bar that shows the progress.
        take: called with each part that is done, in place of keeping its result.

    Raises:
        UserError: the executor is gone.
    """
    ended = Ended()
    with counting(what, len(parts)) as advance:
        for outcome in executor.outcomes(function, parts, seconds):
            advance(1)
            _keep(outcome, ended, take)
        again = [outcome for outcome in ended.failed if not outcome.answer.is_mistake][:RETRIED]
        for first in again:
            _tell(first, "is tried again, alone")
            ended.failed.remove(first)
            for outcome in executor.outcomes(function, [first.part], seconds):
                _keep(outcome, ended, take)
    return ended


def _keep(outcome: Outcome, ended: Ended, take: Callable[[Outcome], None] | None) -> None:
    if outcome.answer.problem:
        ended.failed.append(outcome)
    elif take is not None:
        take(outcome)
    else:
        ended.results[outcome.part.name] = outcome.answer.result


def _tell(outcome: Outcome, then: str) -> None:
    print(f"{outcome.part.name}: {outcome.answer.problem}; {then}", file=sys.stderr, flush=True)


def tell_failed(ended: Ended) -> None:
    """Name each part that is not done, with what stood in its way, on stderr."""
    for outcome in ended.failed:
        _tell(outcome, "not done")

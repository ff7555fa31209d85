"""A part of some work, and what came of an attempt at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ml.errors import SENTENCE, UserError, disk_full_told, printable
from ml.scale.limit import limited

Function = Callable[[Any], Any]  # of a module, so that another process finds it by its name


@dataclass(frozen=True)
class Part:
    """A task and the name of its output."""

    name: str
    task: Any  # the function's argument


@dataclass(frozen=True)
class Answer:
    """What one attempt came to, in a form that any process can send."""

    result: Any = None
    problem: str = ""  # empty: it is done
    then: str = ""  # what a person does about a mistake
    is_mistake: bool = False  # of a person: another attempt would come to the same


@dataclass(frozen=True)
class Outcome:
    """A part with its answer."""

    part: Part
    answer: Answer


class Executor(Protocol):
    """Where parts run."""

    def outcomes(
        self, function: Function, parts: Sequence[Part], seconds: float
    ) -> Iterator[Outcome]:
        """One outcome for each part, as they end; none is waited for without an end.

        Raises:
            UserError: the executor itself is gone; parts that have ended stay done.
        """


def attempt(function: Function, task: Any, seconds: float) -> Answer:
    """Call the function; this process ends if it takes longer than so many seconds."""
    try:
        with limited(seconds), disk_full_told():
            return Answer(function(task))
    except UserError as error:
        return Answer(problem=error.what, then=error.then, is_mistake=True)
    except Exception as error:  # whatever a part raises is told, and the other parts go on
        return Answer(problem=described(error))


def described(error: BaseException) -> str:
    """Kind and text of an exception on one line."""
    return printable(f"{type(error).__name__}: {error}", SENTENCE)

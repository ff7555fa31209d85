"""What a user or a client can cause, and how text from outside is shown.

    Exception
        UserError        a mistake in a file, a setting or a call; `ml.cli` and `ml.pipeline.stage`
                         print it without a traceback and exit with status 2
        RefusedError     a request that cannot be answered: an HTTP status and what is wrong
        JournalError     the journal cannot be written or read now (`ml.journal.store`); the service
                         answers 503, a command turns it into a `UserError`
        DisconnectedError  the client went away before its body was read (`ml.serving.api.asgi`)

Any other exception is a defect of this project.

Names, levels and values come from files and requests of other people. Where they stand in a
message, a table, a log line or a report they go through `printable`; markup is escaped where it is
written (HTML in `ml.monitoring.reports.html`, Slack's in `ml.monitoring.reports.alerts`).
"""

from __future__ import annotations

import difflib
import errno
import json
import shutil
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SHOWN = 80  # characters of one name or value
SENTENCE = 400  # characters of a sentence that holds such names
MESSAGE = 2000  # characters of a whole error message
COMMAND = 20_000  # characters of the command to type next, which may name every column
LISTED = 12  # names in a list
LIKENESS = 0.5  # of a name and the one that was meant, as difflib measures it
MAX_DETAILS = 20  # mistakes that one refused request names; the rest is counted
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, a quota, `ulimit -f`
# sqlite's words, and those of `shutil.copytree`, whose error has no number
DISK_FULL_WORDS = ("disk is full", "disk I/O error", "[Errno 28]")
AGAIN = "the same command again"

Detail = dict[str, Any]  # {"type", "loc", "msg"}


def printable(text: str, limit: int = SHOWN) -> str:
    r"""Text from outside on one line: what would steer a terminal is escaped, the rest is cut.

    Control characters, escape sequences, line separators and the invisible characters that turn
    the direction of writing become `\x1b`, `\n`, `\u202e` and the like.

    Args:
        text: any text.
        limit: length of the result at most; a text that was cut ends with `…`.
    """
    cut = text[: limit + 1]
    if not cut.isprintable():
        cut = "".join(_visible(character) for character in cut)
    return cut if len(cut) <= limit else f"{cut[: limit - 1]}…"


def _visible(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":  # a space of any width
        return character
    return character.encode("unicode_escape").decode("ascii")


def display_value(value: Any) -> str:
    """A refused value as a person would recognize it."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a number of more than 70 digits"
    start = value[: SHOWN + 1] if isinstance(value, str) else value
    return printable(json.dumps(start, ensure_ascii=False))


def listing(names: Sequence[str]) -> str:
    """The first names of a list in quotes, and how many more there are."""
    listed = ", ".join(f'"{printable(name)}"' for name in names[:LISTED])
    return listed + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def closest(name: str, names: Sequence[str], most: int = 1) -> list[str]:
    """The names that a person who typed `name` may have meant, the likeliest first; often none."""
    return difflib.get_close_matches(name, names, most, LIKENESS)


class UserError(Exception):
    """A mistake in a file, a setting or a call: one sentence, and the command to type next.

    Both texts are printable, whatever they repeat of a file or a request.

    Args:
        what: file, key or column, and value, e.g. `contract.yaml: column "age": 3 of 90 values are
            not numbers`.
        then: the command (or edit) that mends it, e.g. `make adopt DATA=customers.csv
            TARGET=churned`.
    """

    def __init__(self, what: str, then: str) -> None:
        self.what = printable(what, MESSAGE)
        self.then = printable(then, COMMAND)
        super().__init__(self.what)

    def __str__(self) -> str:
        return f"{self.what}\n  next: {self.then}"


class RefusedError(Exception):
    """A request that cannot be answered, in the API's one error shape.

    Args:
        status: of HTTP.
        details: what is wrong; the first 20 are sent.
        headers: further headers of the answer.
        count: how many mistakes there are, if `details` does not hold all.
    """

    def __init__(
        self,
        status: int,
        details: Sequence[Detail],
        headers: Mapping[str, str] | None = None,
        count: int = 0,
    ) -> None:
        super().__init__(details[0]["msg"])
        self.status = status
        self.details = first_details(details, count)
        self.headers = dict(headers or {})


def first_details(details: Sequence[Detail], count: int = 0) -> list[Detail]:
    """The first 20 details and one that counts the rest: no client chooses the answer's size."""
    rest = max(count, len(details)) - len(details[:MAX_DETAILS])
    counted = (
        [{"type": "more", "loc": ["body"], "msg": f"and {rest} more mistakes"}] if rest else []
    )
    return [*details[:MAX_DETAILS], *counted]


def refusal(
    status: int, kind: str, msg: str, loc: tuple[str | int, ...] = ("body",), **headers: str
) -> RefusedError:
    """A `RefusedError` with one detail; header names are given with underscores."""
    return RefusedError(
        status,
        [{"type": kind, "loc": list(loc), "msg": msg}],
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


def is_of_store(error: BaseException) -> bool:
    """Whether a file or an address stands behind an error: an OSError, or one of botocore's.

    s3fs lets botocore's through.
    """
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError) or bool(modules & {"botocore", "aiobotocore", "aiohttp"})


def is_disk_full(error: BaseException) -> bool:
    """Whether a full disk stands behind an error of a file or of sqlite."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    is_known = isinstance(error, OSError) or "sqlite" in f"{type(error).__module__} {error}"
    return is_known and any(words in str(error) for words in DISK_FULL_WORDS)


def disk_full(error: BaseException, then: str = AGAIN, where: str = "") -> UserError:
    """A full disk in words.

    Args:
        error: for which `is_disk_full` holds.
        then: the command to repeat.
        where: what is written, if the error names no file; default: the working directory.
    """
    path = _path_of(error) or where or Path.cwd()
    wrong = "full or broken" if "disk I/O error" in str(error) else "full"
    return UserError(f"{path}: the disk is {wrong}", f"free some space, then {then}")


def _path_of(error: BaseException) -> str | None:
    """The file that an error names."""
    if isinstance(error, shutil.Error):  # of copytree: a list of (source, target, reason)
        return str(error.args[0][0][1])
    return getattr(error, "filename2", None) or getattr(error, "filename", None)


@contextmanager
def disk_full_told(then: str = AGAIN, where: str = "") -> Iterator[None]:
    """Turn the error of a full disk into a `UserError` (`disk_full`)."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise disk_full(error, then, where) from error


@contextmanager
def reachable(address: str, then: str = "check the address and the credentials") -> Iterator[None]:
    """Errors of a file, or of the store at an address, as a `UserError` that ends in `then`."""
    try:
        with disk_full_told(where=address):
            yield
    except Exception as error:
        if isinstance(error, UserError) or not is_of_store(error):
            raise
        said = printable(str(error) or type(error).__name__, SENTENCE)
        raise UserError(f"{address}: {said}", then) from None

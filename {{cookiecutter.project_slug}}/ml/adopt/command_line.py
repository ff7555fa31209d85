"""Settings of `make adopt` as a person types them again, quoted for the shell and for DROP."""

from __future__ import annotations

import csv
import io
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ml.adopt.infer_contract import Request


def adopt_line(data: str, request: Request, drop: Iterable[str]) -> str:
    """The command that adopts a table without some of its columns.

    Args:
        data: the table, as a person named it.
        request: what they said about it; all of it is repeated.
        drop: columns to leave out besides those of the request.
    """
    given = {
        "DATA": data,
        "TARGET": request.target,
        "TIME": request.time,
        "ID": request.id,
        "TASK": request.task,
        "NAMES": between_commas(request.names),
        "ENCODING": request.encoding,
        "MATURES_AFTER": request.matures_after if request.matures_after != "0" else "",
        "MAX_BYTES": request.max_bytes and str(request.max_bytes),
        "DROP": between_commas(dict.fromkeys([*request.drop, *drop])),
    }
    settings = (setting(name, value) for name, value in given.items() if value)
    return " ".join(["make adopt", *settings])


def setting(name: str, value: str) -> str:
    """`NAME=value` as one word of a shell."""
    return f"{name}={_word(value)}"


def between_commas(names: Iterable[str]) -> str:
    """Names as DROP and NAMES take them: one with a comma or a leading quote stands in quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def _word(value: str) -> str:
    r"""A text in the shell's quotes.

    One that would steer the terminal has its bytes written as `\033`, in quotes of bash and zsh.
    """
    if value.isprintable():
        return shlex.quote(value)
    return f"$'{''.join(_escaped(character) for character in value)}'"


def _escaped(character: str) -> str:
    if character.isprintable() and character not in "\\'":
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode())

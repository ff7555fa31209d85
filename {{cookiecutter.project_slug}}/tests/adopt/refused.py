"""A sound file to break, and the message with which adopting what became of it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.adopt.commands import adopt
from ml.errors import UserError

ROWS = [f"{i},{i * 7 % 11},{'yes' if i % 3 else 'no'}" for i in range(60)]
SOUND = "\n".join(["a,b,y", *ROWS]) + "\n"


def refused(data: bytes | None, target: str = "y", file: str = "t.csv", **said: object) -> str:
    """The message with which adopting a file is refused."""
    if data is not None:
        Path(file).write_bytes(data)
    before = sorted(Path().rglob("*"))
    with pytest.raises(UserError) as caught:
        adopt(file, target=target, drop=[], **said)  # type: ignore[arg-type]
    assert sorted(Path().rglob("*")) == before
    assert caught.value.then
    return str(caught.value)


def with_lines(*changed: tuple[int, str]) -> bytes:
    """The sound file with some lines replaced; 0 is the header."""
    lines = ["a,b,y", *ROWS]
    for i, line in changed:
        lines[i] = line
    return "\n".join(lines).encode()

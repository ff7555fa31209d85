"""Text from outside is shown on one short line that steers nothing."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml.errors import SHOWN, UserError, disk_full_told, display_value, listing, printable

SCRIPT = (
    "</script><script>document.title = 'it ran'</script>"
    "<img src=x onerror=\"document.title='it ran'\">"
)
MENTION = "<!channel> <https://attacker.example|the dashboard> @channel"
ESCAPES = (
    "\x1b]0;title\x07\x1b[2J\x9b31m\r\u202eevil\u2066"
    "\u2028next: rm -rf /\u2029\x00\x7f\ud800\U000e0041"
)

ANY_TEXT = st.text(st.characters(), max_size=200) | st.sampled_from([SCRIPT, MENTION, ESCAPES])
# built here: hypothesis prints no text of 100 kB
LONG = st.just("x").map(lambda letter: letter * 100_000)


def is_plain(text: str) -> bool:
    """Nothing in it steers a terminal or turns the direction of writing."""
    return all(c.isprintable() or c == "\u3000" or c.isspace() for c in text) and not set(
        text
    ) & set("\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029")


@given(text=ANY_TEXT | LONG, limit=st.integers(1, 500))
@example(text=ESCAPES, limit=500)
def test_any_text_becomes_one_short_harmless_line(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert is_plain(shown)
    assert "\n" not in shown
    assert printable(shown, limit) == shown
    if text.isprintable() and len(text) <= limit:
        assert shown == text


def test_what_was_hidden_is_made_visible() -> None:
    assert printable("a\x1b[31mb\u202ec\nd") == r"a\x1b[31mb\u202ec\nd"
    assert printable("東京\u3000Zürich 5 €") == "東京\u3000Zürich 5 €"
    assert printable("x" * 81) == "x" * 79 + "…"


@given(
    value=st.recursive(ANY_TEXT | st.none() | st.booleans() | st.floats() | st.integers(), st.lists)
)
def test_a_refused_value_is_short(value: Any) -> None:
    assert len(display_value(value)) <= SHOWN
    assert is_plain(display_value(value))


@given(names=st.lists(ANY_TEXT, max_size=30))
def test_a_list_of_names_is_short(names: list[str]) -> None:
    assert len(listing(names)) <= 12 * (SHOWN + 4) + 20
    assert is_plain(listing(names))


@pytest.mark.parametrize(
    ("error", "path"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "data/a"), "data/a"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "a", None, "b"), "b"),
        (OSError(errno.EFBIG, "File too large"), Path.cwd()),
        (shutil.Error([("a", "b/a", "[Errno 28] No space left on device: 'b/a'")]), "b/a"),
        (sqlite3.OperationalError("database or disk is full"), Path.cwd()),
    ],
)
def test_a_full_disk_is_told_by_its_file_and_the_command_to_repeat(
    error: Exception, path: str | Path
) -> None:
    with pytest.raises(UserError) as told, disk_full_told("make flow"):
        raise error
    assert told.value.what == f"{path}: the disk is full"
    assert told.value.then == "free some space, then make flow"


def test_sqlite_does_not_say_whether_its_disk_is_full_or_broken() -> None:
    with pytest.raises(UserError, match="the disk is full or broken"), disk_full_told():
        raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied", "a"),
        ValueError("the disk is full"),
        sqlite3.OperationalError("database is locked"),
        UserError("x", "the disk is full"),
    ],
)
def test_another_error_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, disk_full_told():
        raise error
    assert raised.value is error

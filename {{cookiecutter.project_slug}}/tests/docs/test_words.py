"""Documents name commands that exist: every `make …` and `ml …`, each option, each make variable.

Blocks that a test cannot run (titled "needs …") are checked by this alone; the others are run by
the template's tests.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.site.code_pages import commands, options
from docs.site.pages import PROJECT, make_words
from tests.docs.test_pages import MAKEFILE

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)(.*)\n((?:(?!^```).*\n)*)^```$", re.MULTILINE)
TITLE = re.compile(r'(?: title="(until Ctrl-C|needs [^"]+)")?')
WORDS = set(make_words(MAKEFILE))
VARIABLES = set(re.findall(r"\b([A-Z][A-Z_]+)\b", MAKEFILE))
ML = {tuple(name.split()): options(command) for name, command in commands().items()}
GROUPS = {name[:1] for name in ML if len(name) == 2}


def said(text: str) -> Iterator[str]:
    """Lines of blocks and spans of code that may hold a command."""
    for kind, _, body in FENCE.findall(text):
        if kind in ("bash", "sh", ""):
            yield from body.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def mistakes(text: str) -> list[str]:
    """Words, options and variables of commands that nobody would understand."""
    return [
        problem for line in said(text) for part in re.split(r"&&|;", line) for problem in of(part)
    ]


def of(command: str) -> Iterator[str]:
    try:
        words = shlex.split(command, comments=True)
    except ValueError:  # a quote that ends on another line: no command of ours
        return
    words = words[2:] if words[:2] == ["python", "-m"] else words
    if words[:1] == ["make"]:
        yield from of_make(words[1:])
    elif words[:1] == ["ml"] and len(words) > 1:
        yield from of_ml(words[1:])


def of_make(words: list[str]) -> Iterator[str]:
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and name not in VARIABLES:
            yield f"make {word}: the Makefile has no {name}"
        elif not equals and re.fullmatch(r"[a-z-]+", word) and word not in WORDS:
            yield f"make {word}: no word of the Makefile"


def of_ml(words: list[str]) -> Iterator[str]:
    if not re.fullmatch(r"[a-z][a-z-]*", words[0]):  # `ml --help`, `ml …`
        return
    name = tuple(words[:2]) if (words[0],) in GROUPS and len(words) > 1 else (words[0],)
    if name not in ML and name not in GROUPS:
        yield f"ml {' '.join(name)}: no such command"
        return
    for word in words[len(name) :]:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in ML.get(name, ["--help"]):
            yield f"ml {' '.join(name)} {option}: no such option"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert mistakes(text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_block_is_run_or_says_what_it_needs(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    titles = [title for kind, title, _ in FENCE.findall(text) if kind in ("bash", "sh")]
    assert [title for title in titles if not TITLE.fullmatch(title)] == []


def test_every_word_of_ml_has_its_section() -> None:
    text = (PROJECT / "docs" / "howto.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## ml ([a-z -]+):", text, re.MULTILINE)) == set(commands())


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("`make relase`", "make relase: no word"),
        ("```bash\nmake adopt DATTA=a.csv\n```\n", "no DATTA"),
        ("`ml monitr --wait`", "ml monitr: no such command"),
        ("```bash\npython -m ml history --verfy\n```\n", "--verfy: no such option"),
        ("`ml journal exprt a.parquet`", "ml journal exprt: no such command"),
        ('```bash title="needs Docker"\ncd x && make imge\n```\n', "make imge: no word"),
    ],
)
def test_a_planted_mistake_is_found(written: str, told: str) -> None:
    (found,) = mistakes(written)
    assert told in found

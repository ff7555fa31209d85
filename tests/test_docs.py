"""The command blocks of a project's documents, run as they stand; what needs more is checked there.

A block titled "needs …" is checked by its form alone (a project's tests/docs/test_words.py), one
titled "until Ctrl-C" starts the service, which answers the blocks after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import rendered_project
from conftest import PROJECT

pytestmark = pytest.mark.slow

DOCS = PROJECT / "docs"
BLOCK = re.compile(r'^```(?:bash|sh)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
# in the order in which a reader comes to them: each goes on where the one before has ended
PAGES = ("tutorial.md", "howto.md")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Title and commands of each block of a page."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def run(project: rendered_project.Project, commands: str, url: str) -> None:
    """Type a block's commands; an activated environment, the service where it listens."""
    script = commands.replace("localhost:8000", url.removeprefix("http://"))
    activated = f'export PATH="$PWD/.venv/bin:$PATH"\n{script}'
    done = project.run("bash", "-e", "-o", "pipefail", "-c", activated)
    assert done.returncode == 0, f"{commands}\n{done.stdout}"


@pytest.fixture
def serving() -> Iterator[ExitStack]:
    """Services that the blocks start, ended after the test."""
    with ExitStack() as stack:
        yield stack


def test_the_tutorial_begins_as_the_readme() -> None:
    """That block is typed by tests/test_life.py."""
    first = rendered_project.block(DOCS / "tutorial.md", 0)
    assert first == rendered_project.block(PROJECT / "README.md", 0)


def test_every_block_runs_as_it_stands(fresh: rendered_project.Project, serving: ExitStack) -> None:
    others = sorted(page.name for page in DOCS.glob("*.md") if page.name not in PAGES)
    url = ""
    for page in [*PAGES, *others]:
        found = blocks(DOCS / page)
        for title, commands in found[1:] if page == PAGES[0] else found:
            if title == "until Ctrl-C":
                assert commands == "make serve\n"
                url = url or serving.enter_context(fresh.served())
            elif not title.startswith("needs "):
                run(fresh, commands, url)
    assert (fresh.path / "reports/card/card.html").is_file()
    assert len(fresh.journal()) == 1

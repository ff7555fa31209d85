"""`make docs`: strict, and without anything from elsewhere; a link that leads nowhere ends it.

Its tools are in an environment of their own (requirements/docs.txt), which is installed here.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from docs.site.pages import PROJECT, write
from tests.conftest import environment

LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with mkdocs."""
    return environment(tmp_path_factory, "docs")


def build(tools: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The site of the pages in a folder, in `folder`/site; no address can be reached."""
    nowhere = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")}
    env = {**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": ""}
    words = ["-m", "mkdocs", "build", "--strict", "--config-file", str(folder / "mkdocs.yml")]
    return subprocess.run(
        [str(tools), *words, "--site-dir", str(folder / "site")],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_site_is_whole_and_loads_nothing_from_elsewhere(tools: Path, tmp_path: Path) -> None:
    write(tmp_path)
    done = build(tools, tmp_path)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert {"index.html", "tutorial.html", "howto.html", "decisions.html"} <= {
        p.name for p in pages
    }
    foreign = [found for page in pages for found in LOADED.findall(page.read_text("utf-8"))]
    assert foreign == []
    assert (tmp_path / "site/search/search_index.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ("[a](nowhere.md)", "nowhere.md"),
        ("[a](serving.md#no-such-heading)", "no-such-heading"),
        ("[a](/serving.md)", "/serving.md"),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build(
    tools: Path, tmp_path: Path, planted: str, told: str
) -> None:
    write(tmp_path)
    with (tmp_path / "pages" / "loop.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{planted}\n")
    done = build(tools, tmp_path)
    assert done.returncode != 0
    assert told in done.stderr


def test_light_and_dark_are_told_by_the_readers_system() -> None:
    text = (PROJECT / "docs/site/mkdocs.yml").read_text(encoding="utf-8")
    assert re.findall(r"prefers-color-scheme: (\w+)", text) == ["light", "dark"]
    assert "font: false" in text

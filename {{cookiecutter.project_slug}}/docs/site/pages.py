"""The pages of the documentation's site: docs/*.md as they stand, README.md, and the reference.

The reference is made of what the code reads (params.yaml, ml/contract.py, the `ml` command, the
Makefile, docs/verdict.schema.json, benchmarks/), at each build: no copy of it can grow old.

Reads: those files. Writes: the pages and their mkdocs.yml into a folder.
Run: `make docs`, or `python -m docs.site.pages FOLDER`.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs.site.code_pages import benchmarks_page, commands_page, contract_page
from docs.site.markdown import code, page, prose, table

PROJECT = Path(__file__).parents[2]
SETTINGS = PROJECT / "docs" / "site" / "mkdocs.yml"
# a line of params.yaml: indentation, key, value, comment
SETTING = re.compile(r"^( *)(\w+): *((?:\"[^\"]*\"|[^#\"])*?) *(?:# (.*))?$")


def write(folder: Path) -> None:
    """Write all pages into `folder`/pages, and `folder`/mkdocs.yml beside them.

    What an earlier build left there is removed.
    """
    pages = folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    (pages / "reference").mkdir(parents=True)
    for source in (PROJECT / "docs").glob("*.md"):
        shutil.copy(source, pages / source.name)
    readme = _read("README.md")
    _write(pages / "index.md", readme.replace("](docs/", "]("))
    for name, text in references().items():
        _write(pages / "reference" / f"{name}.md", text)
    settings = {
        "INHERIT": str(SETTINGS),
        "site_name": readme.splitlines()[0].removeprefix("# "),
        "docs_dir": "pages",
        "site_dir": str(PROJECT / "reports" / "site"),
    }
    _write(folder / "mkdocs.yml", json.dumps(settings, ensure_ascii=False))  # JSON is YAML


def references() -> dict[str, str]:
    """The pages of the reference, by name."""
    return {
        "params": params_page(_read("params.yaml")),
        "contract": contract_page(PROJECT / "ml" / "contract.py"),
        "commands": commands_page(),
        "make": make_page(_read("Makefile")),
        "verdict": verdict_page(json.loads(_read("docs/verdict.schema.json"))),
        "benchmarks": benchmarks_page(PROJECT / "benchmarks"),
    }


def _read(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Setting:
    """One line of params.yaml: its dotted key, value as written, and comment."""

    key: str
    value: str
    meaning: str


def settings_of(text: str) -> Iterator[Setting]:
    """The lines of params.yaml in order, blocks (without a value) among them."""
    path: list[str] = []
    for line in text.splitlines():
        found = SETTING.match(line)
        if found:
            indent, key, value, comment = found.groups()
            path = [*path[: len(indent) // 2], key]
            yield Setting(".".join(path), value, _linked(comment or ""))


def _linked(comment: str) -> str:
    """A comment whose pages of docs/ are links."""
    return re.sub(r"\bdocs/([\w-]+\.md)\b", r"[\1](../\1)", comment)


def params_page(text: str) -> str:
    """Every setting with its value and meaning, a section for each block."""
    parts = ["Every setting: its value in this project, its meaning and its off-switch."]
    blocks: dict[str, list[Setting]] = {}
    for setting in settings_of(text):
        blocks.setdefault(setting.key.split(".")[0], []).append(setting)
    for name, block in blocks.items():
        head = block[0]
        lines = block if head.value else block[1:]
        rows = [[code(s.key), code(s.value), s.meaning] for s in lines]
        parts += [f"## {name}", "" if head.value else head.meaning]
        parts.append(table(("key", "value", "meaning"), rows))
    return page("params.yaml", *parts)


def make_words(text: str) -> dict[str, str]:
    """The words of a Makefile that say what they do."""
    return dict(re.findall(r"^([a-z-]+):.*?## (.*)$", text, re.MULTILINE))


def make_page(text: str) -> str:
    """The Makefile's words."""
    rows = [[code(f"make {word}"), meaning] for word, meaning in make_words(text).items()]
    return page("Words of make", "`make` lists them.", table(("word", "what it does"), rows))


def verdict_page(schema: dict[str, Any]) -> str:
    """The fields of verdict.json, by its JSON schema."""
    parts = ["What `ml monitor` says to machines; `docs/verdict.schema.json` is its JSON schema."]
    for name, form in {"Verdict": schema, **schema["$defs"]}.items():
        needed = form.get("required", [])
        rows = [
            [code(key), code(type_of(value)), "yes" if key in needed else "no"]
            for key, value in form.get("properties", {}).items()
        ]
        parts += [f"## {name}", *described(form.get("description", ""))]
        parts.append(table(("key", "type", "always there"), rows) if rows else "")
    return page("verdict.json", *parts)


def described(text: str) -> list[str]:
    """A docstring of Google's form as paragraphs; its arguments are a list."""
    head, _, arguments = text.partition("Args:")
    entries = re.split(r"\n +(?=\w+: )", arguments)[1:]
    listed = [f"- `{name}`: {prose(rest)}" for name, rest in (e.split(": ", 1) for e in entries)]
    return [*map(prose, head.split("\n\n")), "\n".join(listed)]


def type_of(form: dict[str, Any]) -> str:
    """A JSON schema's type in words."""
    if "$ref" in form:
        return str(form["$ref"]).rsplit("/", 1)[1]
    if "anyOf" in form:
        return " or ".join(map(type_of, form["anyOf"]))
    if "enum" in form or "const" in form:
        return ", ".join(map(str, form.get("enum", [form.get("const")])))
    if form.get("type") == "array":
        return f"list of {type_of(form.get('items', {}))}"
    if isinstance(form.get("additionalProperties"), dict):
        return f"object of {type_of(form['additionalProperties'])}"
    return str(form.get("type", "anything"))


if __name__ == "__main__":
    write(Path(sys.argv[1]))

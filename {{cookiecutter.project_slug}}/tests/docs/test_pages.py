"""The reference holds what the code reads: every setting, field, command, word and key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from docs.site.code_pages import benchmarks_page, commands, commands_page, contract_page, options
from docs.site.pages import PROJECT, make_page, make_words, params_page, settings_of, verdict_page
from ml import contract
from ml.contract import read_yaml

MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
PARAMS = (PROJECT / "params.yaml").read_text(encoding="utf-8")


def keys(values: dict[str, Any], path: str = "") -> Iterator[str]:
    """Dotted keys of nested blocks, as far as params.yaml writes a line for each."""
    for key, value in values.items():
        yield f"{path}{key}"
        if isinstance(value, dict):
            yield from keys(value, f"{path}{key}.")


def shown(page: str) -> list[str]:
    """The first cell of each row, as it is typed."""
    rows = [line for line in page.splitlines() if line.startswith("| <code>")]
    return [row.split("<code>")[1].split("</code>")[0] for row in rows]


def test_every_setting_stands_there_with_its_value() -> None:
    values = read_yaml(PROJECT / "params.yaml")
    assert [setting.key for setting in settings_of(PARAMS)] == list(keys(values))
    page = params_page(PARAMS)
    assert "| <code>split.test_share</code> | <code>0.2</code> | share of the rows held out" in page
    assert "[docs" not in page
    assert "[card.md](../card.md)" in page


def test_a_setting_is_read_as_it_is_written() -> None:
    text = '# head\na: "x # y" # first\nb: # block\n  c: [1, 2]\n  d: null # | bars\n'
    found = [(s.key, s.value, s.meaning) for s in settings_of(text)]
    assert found == [
        ("a", '"x # y"', "first"),
        ("b", "", "block"),
        ("b.c", "[1, 2]", ""),
        ("b.d", "null", "| bars"),
    ]
    assert "&#124; bars" in params_page(text)


def test_every_field_of_the_contract_stands_there() -> None:
    page = contract_page(PROJECT / "ml" / "contract.py")
    sections = dict(part.split("\n", 1) for part in page.split("\n## ")[1:])
    models = ("Contract", "Target", "Source", "Dropped", "NumberFormat", "Numeric", "Integer")
    for name in (*models, "Boolean", "Categorical", "Datetime", "Text"):
        assert shown(sections[name]) == list(getattr(contract, name).model_fields)
    assert "may a row leave it empty?" in sections["Categorical"]  # its base's
    assert "Rows younger than that count neither" in sections["Target"]  # a comment of two lines
    assert "<code>binary, multiclass, regression</code>" in sections["Target"]


def test_every_command_stands_there_with_its_options() -> None:
    page = commands_page()
    sections = dict(part.split("\n", 1) for part in page.split("\n## ml ")[1:])
    assert set(sections) == set(commands())
    for name, command in commands().items():
        for option in set(options(command)) - {"--help"}:
            assert option in sections[name]
    assert "journal prune" in sections


def test_every_word_of_make_stands_there() -> None:
    assert {"setup", "flow", "docs"} <= set(make_words(MAKEFILE))
    assert shown(make_page(MAKEFILE)) == [f"make {word}" for word in make_words(MAKEFILE)]


def test_every_key_of_the_verdict_stands_there() -> None:
    schema = json.loads((PROJECT / "docs/verdict.schema.json").read_text(encoding="utf-8"))
    page = verdict_page(schema)
    forms = [schema, *schema["$defs"].values()]
    assert shown(page) == [key for form in forms for key in form.get("properties", {})]
    assert "- `severity`: a `ticket` wants action" in page
    assert "Args" not in page


def test_every_benchmark_says_how_it_is_run() -> None:
    page = benchmarks_page(PROJECT / "benchmarks")
    assert "## benchmarks/false_alarms.py" in page
    sections = page.split("\n## ")[1:]
    assert [section for section in sections if "Run: `" not in section] == []

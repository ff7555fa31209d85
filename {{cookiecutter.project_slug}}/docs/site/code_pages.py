"""Reference pages that are made of Python: contract.yaml, the `ml` command, the benchmarks."""

from __future__ import annotations

import ast
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.site.markdown import code, page, prose, table

NEEDED = "(needed)"
TYPE_WORDS = {"str": "text", "float": "number", "int": "integer", "bool": "boolean", "None": "null"}
CONTRACT_ORDER = ("Contract", "Target", "Source", "Dropped")


def contract_page(path: Path) -> str:
    """The forms of contract.yaml: the models of ml/contract.py with the comments beside them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    models = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    words = {
        ast.unparse(node.targets[0]): _type(node.value, {"Duration": "duration"})
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)
    }
    comments = _comments(path)
    public = [name for name in models if not name.startswith("_")]
    parts = [
        "What a row is. `make adopt` writes it, people correct it; an unknown key is an error. "
        "`columns` is a list, each entry of the form that its `kind` names."
    ]
    for name in sorted(public, key=lambda name: (*CONTRACT_ORDER, name).index(name)):
        rows = list(_fields(models, name, comments, words))
        parts += [f"## {name}", prose(ast.get_docstring(models[name]) or "")]
        parts.append(table(("key", "type", "if left out", "meaning"), rows))
    return page("contract.yaml", *parts)


def _fields(
    models: dict[str, ast.ClassDef], name: str, comments: dict[int, str], words: dict[str, str]
) -> Iterator[list[str]]:
    """A model's fields, those of its base first."""
    for base in models[name].bases:
        if isinstance(base, ast.Name) and base.id in models:
            yield from _fields(models, base.id, comments, words)
    for field in models[name].body:
        if isinstance(field, ast.AnnAssign):
            kind = _type(field.annotation, words)
            cells = [ast.unparse(field.target), kind, _default(field.value)]
            yield [*map(code, cells), prose(comments.get(field.lineno, ""))]


def _type(node: ast.expr, words: dict[str, str]) -> str:
    """A type in words; those that the module gives a name are resolved."""
    if isinstance(node, ast.BinOp):
        return f"{_type(node.left, words)} or {_type(node.right, words)}"
    if isinstance(node, ast.Subscript):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        match ast.unparse(node.value):
            case "Literal":
                return ", ".join(str(ast.literal_eval(value)) for value in inner)
            case "tuple":
                return f"list of {_type(inner[0], words)}"
            case "dict":
                return f"object of {_type(inner[1], words)}"
            case _:
                return _type(inner[0], words)
    name = ast.unparse(node)
    return words.get(name, TYPE_WORDS.get(name, name))


def _default(value: ast.expr | None) -> str:
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "Field":
        value = next((word.value for word in value.keywords if word.arg == "default"), None)
    if value is None:
        return NEEDED
    text = ast.unparse(value)
    if text.endswith("()") and text != "()":  # a form whose keys have defaults of their own
        return f"as {text[:-2]} says"
    return json.dumps(ast.literal_eval(value))  # JSON is YAML


def _comments(path: Path) -> dict[int, str]:
    """For each line the comment beside it, or else the comment lines directly above it."""
    beside: dict[int, str] = {}
    above: dict[int, str] = {}
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                alone = not token.line[: token.start[1]].strip()
                (above if alone else beside)[token.start[0]] = token.string.lstrip("# ")
    for first in [line for line in sorted(above) if line - 1 not in above]:
        end = next(line for line in range(first, first + len(above) + 1) if line not in above)
        beside.setdefault(end, " ".join(above[line] for line in range(first, end)))
    return beside


def commands() -> dict[str, Any]:
    """Every command of `ml` by its words, such as `journal export`."""
    import typer

    from ml.cli import app

    found: dict[str, Any] = {}
    for name, command in vars(typer.main.get_command(app))["commands"].items():
        inner = vars(command).get("commands")
        found |= {f"{name} {word}": c for word, c in inner.items()} if inner else {name: command}
    return found


def options(command: Any) -> list[str]:
    """The options of a command, as they are typed."""
    return ["--help", *(word for p in command.params for word in p.opts if word[0] == "-")]


def commands_page() -> str:
    """The `ml` command: each word with its arguments, options and help."""
    parts = [
        "`make setup` puts `ml` into the environment; `python -m ml` is the same. A mistake of "
        "yours is told in one line and a next command; the exit status is 2 then."
    ]
    for name, command in commands().items():
        parts += [f"## ml {name}", prose(command.help or "")]
        rows = [[code(_typed(p)), prose(p.help or ""), code(_shown(p))] for p in command.params]
        if rows:
            parts.append(table(("argument or option", "meaning", "if left out"), rows))
    return page("The ml command", *parts)


def _typed(parameter: Any) -> str:
    words = ", ".join(parameter.opts)
    return words if words[0] == "-" else words.upper()


def _shown(parameter: Any) -> str:
    if parameter.required:
        return NEEDED
    return "" if parameter.default in (None, "", False) else str(parameter.default)


def benchmarks_page(folder: Path) -> str:
    """What each program of benchmarks/ measures, and the command that runs it."""
    parts = ["Figures hold for the machine on which they were taken: run the command."]
    for path in sorted(folder.glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if "Run: " in text:
            parts += [f"## benchmarks/{path.name}", *re.split(r"\n\n|\n(?=Run: )", text)]
    return page("Benchmarks", *parts)

"""contract.yaml as adopt writes it: for people, and replaced only while nobody has edited it.

A column takes a line or two, with a comment at each doubt; what equals a default is left out. The
last line holds the hash of the lines above. If it does not fit, a person has edited the file: it is
not overwritten, and what adopt would write goes to contract.proposed.yaml.
Reads: contract.yaml. Writes: contract.yaml, contract.proposed.yaml, atomically.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel
from rich.markup import escape
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from ml.atomic import write_text
from ml.contract import CONTRACT, Column, Contract, load_contract
from ml.errors import SENTENCE, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROPOSED = Path("contract.proposed.yaml")
HASH_MARK = "# adopted "
Choice = Literal["keep", "replace"]
# words that are booleans in YAML 1.1, the version of many other tools
BOOLEANS = frozenset({"yes", "no", "y", "n", "on", "off"})
EXACT = 2**53  # below it a float64 holds every whole number
WIDTH, UNFOLDED = 110, 1 << 20  # columns after which a line is folded
MAX_ITEMS = 5  # that are shown of a list that changes
HEAD = """\
What a row is: written by `make adopt`, yours to correct. `make flow` follows it, and so do \
the API, the
model's encoder and the monitor. A comment marks a doubt; the kinds and their keys are explained \
in ml/contract.py.
"""


def contract_yaml(
    contract: Contract, doubts: dict[str, list[str]], remarks: Sequence[str] = ()
) -> str:
    """The contract as YAML text.

    Args:
        contract: what to write.
        doubts: column name → doubts, written above the column (or the target).
        remarks: doubts that belong to no column, written at the top.
    """
    values = contract.model_dump(mode="json", exclude_defaults=True)
    values["columns"] = [{"name": c["name"], "kind": c["kind"]} | c for c in values["columns"]]
    # ruamel folds a text at a wrong place if YAML escapes one of its characters
    has_escapes = "\\" in str(contract.model_dump())
    return _dumped(_document(values, doubts, remarks), UNFOLDED if has_escapes else WIDTH)


def _dumped(document: CommentedMap, width: int) -> str:
    yaml = YAML()
    yaml.width = width
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _document(
    values: dict[str, Any], doubts: dict[str, list[str]], remarks: Sequence[str]
) -> CommentedMap:
    """The contract's values with comments, and what belongs to one column on one line."""
    document: CommentedMap = _with_comments(values)
    document.yaml_set_start_comment(HEAD + "".join(f"\n{_line(remark)}" for remark in remarks))
    for name, listed in doubts.items():
        _comment(document, name, "\n".join(map(_line, listed)))
    for node in (document["target"], document.get("source", {}), *document["columns"]):
        _inline(node)
    return document


def _with_comments(value: Any) -> Any:
    """The values as ruamel's types, which keep comments."""
    if isinstance(value, dict):
        mapping = CommentedMap()
        mapping.update({key: _with_comments(item) for key, item in value.items()})
        return mapping
    if isinstance(value, list):
        return CommentedSeq([_with_comments(item) for item in value])
    return _scalar(value)


def _scalar(value: Any) -> Any:
    """Whole numbers without `.0`; `no` quoted, for a YAML 1.1 reader takes it for false."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    is_boolean_word = isinstance(value, str) and value.lower() in BOOLEANS
    return SingleQuotedScalarString(value) if is_boolean_word else value


def _inline(node: Any) -> None:
    """Lists and the format of a column on one line."""
    for value in node.values():
        if isinstance(value, CommentedMap | CommentedSeq):
            value.fa.set_flow_style()


def _line(doubt: str) -> str:
    return f"doubt: {printable(doubt, SENTENCE)}"


def _comment(document: CommentedMap, name: str, text: str) -> None:
    """Write a comment above the target or the column of that name."""
    if name == document["target"]["name"]:
        document.yaml_set_comment_before_after_key("target", before=text)
        return
    names = [column["name"] for column in document["columns"]]
    at = names.index(name)
    document["columns"].yaml_set_comment_before_after_key(at, before=text, indent=2)


def with_hash(text: str) -> str:
    """The contract's text and, in a last line, its hash, which fits while nobody edits the file."""
    return (
        f"{text}{HASH_MARK}{_hash(text)}: while this fits the lines above, adopt may replace them\n"
    )


def is_edited(path: Path = CONTRACT) -> bool:
    """Whether a person has changed the contract since adopt wrote it."""
    text = path.read_text(encoding="utf-8", errors="replace")  # other bytes are an edit
    body, mark, rest = text.rpartition(HASH_MARK)
    return not mark or rest.split(":")[0] != _hash(body)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_contract(text: str) -> None:
    """Write contract.yaml and forget the proposal."""
    write_text(CONTRACT, with_hash(text))
    PROPOSED.unlink(missing_ok=True)


def write_proposal(text: str) -> None:
    """Write contract.proposed.yaml as contract.yaml would be written."""
    write_text(PROPOSED, with_hash(text))


def differences(new: Contract) -> list[str]:
    """What `new` would change in contract.yaml, a line each, marked for rich; empty: nothing."""
    old = load_contract(CONTRACT)
    keys = ("target", "time", "id", "source")
    changes = [_change(key, getattr(old, key), getattr(new, key)) for key in keys]
    changes += _column_changes(
        {column.name: column for column in old.columns},
        {column.name: column for column in new.columns},
    )
    return [line for line in changes if line]


def _column_changes(old: dict[str, Column], new: dict[str, Column]) -> Iterator[str]:
    """Columns that are removed, added and changed, in this order."""
    yield from (_line_of("red", "-", old[name]) for name in old if name not in new)
    yield from (_line_of("green", "+", new[name]) for name in new if name not in old)
    yield from (_change(name, old[name], new[name]) for name in old if name in new)


def _line_of(color: str, sign: str, column: Column) -> str:
    """A column that is removed or added."""
    return f"[{color}]{sign} {escape(printable(column.name))}[/] ({column.kind})"


def _change(name: str, old: Any, new: Any) -> str:
    """A line on what differs between two values; empty: nothing does."""
    changes = printable("; ".join(_changed(old, new)), SENTENCE)
    return f"[yellow]~ {escape(printable(name))}[/] {escape(changes)}" if changes else ""


def _changed(old: Any, new: Any) -> list[str]:
    if isinstance(old, BaseModel) and isinstance(new, BaseModel):
        return _changed_keys(old.model_dump(), new.model_dump())
    return [f"{old} → {new}"] if old != new else []


def _changed_keys(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [
        f"{key}{_changed_value(old.get(key), new.get(key))}"
        for key in old | new
        if old.get(key) != new.get(key)
    ]


def _changed_value(old: Any, new: Any) -> str:
    if isinstance(old, tuple) and isinstance(new, tuple):
        return _changed_items(old, new)
    return f" {old} → {new}"


def _changed_items(old: tuple[Any, ...], new: tuple[Any, ...]) -> str:
    removed, added = [v for v in old if v not in new], [v for v in new if v not in old]
    return _listed(" +", added) + _listed(" -", removed) or ": another order"


def _listed(sign: str, values: list[Any]) -> str:
    count = f" … {len(values)} in all" if len(values) > MAX_ITEMS else ""
    return f"{sign}{', '.join(map(str, values[:MAX_ITEMS]))}{count}" if values else ""

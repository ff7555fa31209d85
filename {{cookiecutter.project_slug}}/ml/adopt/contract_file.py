"""contract.yaml as adopt writes it: for people, and replaced only while nobody has edited it.

A column takes a line or two, with a comment at each doubt; what equals a default is left out. The
last line holds the hash of the lines above, so that a person's corrections are never overwritten:
what adopt would write then goes to contract.proposed.yaml.
Reads: contract.yaml. Writes: contract.yaml, contract.proposed.yaml, atomically.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
# to YAML 1.1, which other tools may speak
BOOLEANS = frozenset({"yes", "no", "y", "n", "on", "off"})
EXACT = 2**53
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
    document = _document(values, doubts, remarks)
    yaml = YAML()
    # a character that YAML escapes: ruamel folds such texts wrongly
    odd = "\\" in str(contract.model_dump())
    yaml.width = 1 << 20 if odd else 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _document(
    values: dict[str, Any], doubts: dict[str, list[str]], remarks: Sequence[str]
) -> CommentedMap:
    """The contract's values with comments, and what belongs to one column on one line."""
    document: CommentedMap = _commented(values)
    document.yaml_set_start_comment(HEAD + "".join(f"\n{_line(remark)}" for remark in remarks))
    for name, listed in doubts.items():
        _remark(document, name, listed)
    for node in (document["target"], document.get("source", {}), *document["columns"]):
        _inline(node)
    return document


def _commented(value: Any) -> Any:
    """The values as ruamel keeps comments with them.

    Whole numbers without `.0`, `no` quoted for other readers.
    """
    if isinstance(value, dict):
        made = CommentedMap()
        made.update({key: _commented(v) for key, v in value.items()})
        return made
    if isinstance(value, list):
        return CommentedSeq([_commented(v) for v in value])
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    return (
        SingleQuotedScalarString(value)
        if isinstance(value, str) and value.lower() in BOOLEANS
        else value
    )


def _inline(node: Any) -> None:
    """Lists and the format of a column on one line."""
    for value in node.values():
        if isinstance(value, CommentedMap | CommentedSeq):
            value.fa.set_flow_style()


def _line(doubt: str) -> str:
    return f"doubt: {printable(doubt, SENTENCE)}"


def _remark(document: CommentedMap, name: str, remarks: list[str]) -> None:
    text = "\n".join(map(_line, remarks))
    if name == document["target"]["name"]:
        document.yaml_set_comment_before_after_key("target", before=text)
        return
    for key in ("columns", "dropped"):
        for i, item in enumerate(document.get(key, [])):
            if item["name"] == name:
                document[key].yaml_set_comment_before_after_key(i, before=text, indent=2)
                return


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
    before, after = {c.name: c for c in old.columns}, {c.name: c for c in new.columns}
    lines = [
        *(_change(key, getattr(old, key), getattr(new, key)) for key in keys),
        *(_line_of("red", "-", before[name]) for name in before if name not in after),
        *(_line_of("green", "+", after[name]) for name in after if name not in before),
        *(_change(name, before[name], after[name]) for name in before if name in after),
    ]
    return [line for line in lines if line]


def _line_of(color: str, sign: str, column: Column) -> str:
    """A column that is removed or added."""
    return f"[{color}]{sign} {escape(printable(column.name))}[/] ({column.kind})"


def _change(name: str, old: Any, new: Any) -> str:
    changes = printable("; ".join(_changed(old, new)), SENTENCE)
    return f"[yellow]~ {escape(printable(name))}[/] {escape(changes)}" if changes else ""


def _changed(old: Any, new: Any) -> Iterator[str]:
    if not hasattr(old, "model_dump") or not hasattr(new, "model_dump"):
        yield from [f"{old} → {new}"] if old != new else []
        return
    before, after = old.model_dump(), new.model_dump()
    for key in [*before, *(k for k in after if k not in before)]:
        a, b = before.get(key), after.get(key)
        if a == b:
            continue
        if isinstance(a, tuple) and isinstance(b, tuple):
            yield f"{key}{_changed_items(a, b)}"
        else:
            yield f"{key} {a} → {b}"


def _changed_items(before: tuple[Any, ...], after: tuple[Any, ...]) -> str:
    gone, come = [v for v in before if v not in after], [v for v in after if v not in before]
    return _listed(" +", come) + _listed(" -", gone) or ": another order"


def _listed(sign: str, values: list[Any]) -> str:
    more = f" … {len(values)} in all" if len(values) > 5 else ""
    return f"{sign}{', '.join(map(str, values[:5]))}{more}" if values else ""

"""The contract as a YAML file for people: one column a line or two, a comment at each doubt.

Writes: contract.yaml, atomically. What equals a default is left out.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from ml.errors import SENTENCE, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.contract import Contract

# to YAML 1.1, which other tools may speak
BOOLEANS = frozenset({"yes", "no", "y", "n", "on", "off"})
EXACT = 2**53
HEAD = """\
What a row is: written by `make adopt`, yours to correct. `make flow` follows it, and so do the API, the
model's encoder and the monitor. A comment marks a doubt; the kinds and their keys are explained in ml/contract.py.
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
    document = _commented(values)
    document.yaml_set_start_comment(HEAD + "".join(f"\n{_line(remark)}" for remark in remarks))
    for name, listed in doubts.items():
        _remark(document, name, listed)
    for node in (document["target"], document.get("source", {}), *document["columns"]):
        _inline(node)
    stream = io.StringIO()
    yaml = YAML()
    # a character that YAML escapes: ruamel folds such texts wrongly
    odd = "\\" in str(contract.model_dump())
    yaml.width = 1 << 20 if odd else 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(document, stream)
    return stream.getvalue()


def _commented(value: Any) -> Any:
    """The values as ruamel keeps comments with them; whole numbers without `.0`, `no` quoted for other readers."""
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

"""May adopt replace contract.yaml? Only while it is as adopt wrote it: a person's corrections are never overwritten.

Reads and writes: contract.yaml (its last line holds the hash of the lines above),
contract.proposed.yaml.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from rich.markup import escape

from ml.atomic import write_text
from ml.contract import CONTRACT, Contract, load_contract
from ml.errors import SENTENCE, printable

PROPOSED = Path("contract.proposed.yaml")
SEAL = "# adopted "
Choice = Literal["keep", "replace"]


def sealed(text: str) -> str:
    """The contract's text and, in a last line, its hash: while it fits nobody has edited the file."""
    return f"{text}{SEAL}{_hash(text)}: while this fits the lines above, adopt may replace them\n"


def is_edited(path: Path = CONTRACT) -> bool:
    """Whether a person has changed the contract since adopt wrote it."""
    text = path.read_text(encoding="utf-8", errors="replace")  # other bytes are an edit
    body, seal, rest = text.rpartition(SEAL)
    return not seal or rest.split(":")[0] != _hash(body)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write(text: str) -> None:
    """Write contract.yaml and forget the proposal."""
    write_text(CONTRACT, sealed(text))
    PROPOSED.unlink(missing_ok=True)


def propose(text: str) -> None:
    """Write contract.proposed.yaml, sealed as contract.yaml would be."""
    write_text(PROPOSED, sealed(text))


def differences(new: Contract) -> list[str]:
    """What `new` would change in contract.yaml, a line each, marked for rich; empty: nothing."""
    old = load_contract(CONTRACT)
    lines = [
        _change(key, getattr(old, key), getattr(new, key))
        for key in ("target", "time", "id", "source")
    ]
    before, after = {c.name: c for c in old.columns}, {c.name: c for c in new.columns}
    lines += [
        f"[red]- {escape(printable(name))}[/] ({before[name].kind})"
        for name in before
        if name not in after
    ]
    lines += [
        f"[green]+ {escape(printable(name))}[/] ({after[name].kind})"
        for name in after
        if name not in before
    ]
    lines += [_change(name, before[name], after[name]) for name in before if name in after]
    return [line for line in lines if line]


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
            gone, come = [v for v in a if v not in b], [v for v in b if v not in a]
            yield (
                f"{key}{_listed(' +', come)}{_listed(' -', gone)}"
                if gone or come
                else f"{key}: another order"
            )
        else:
            yield f"{key} {a} → {b}"


def _listed(sign: str, values: list[Any]) -> str:
    more = f" … {len(values)} in all" if len(values) > 5 else ""
    return f"{sign}{', '.join(map(str, values[:5]))}{more}" if values else ""

"""What is to be scored by what: written beside the answers before any part begins.

Reads: the footers of the tables, serving/champion (ML_BUNDLE). Writes, in the folder of answers:
`_model/<digest>/`, the bundle that answers, and `_plan.json`. A part's name holds the digests of
its table, of the bundle's manifest and of the code, and names the file of its answers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml.bundle import CHAMPION, Bundle, load_bundle
from ml.errors import UserError, listing, reachable
from ml.scale.code_digest import LENGTH, code_digest, digest_of
from ml.scale.store import Store
from ml.seal.manifest import MANIFEST_FILE
from ml.seal.signature import SIGNATURE_FILE
from ml.standalone.scoring import check_columns
from ml.standalone.tables import SUFFIX, Table, tables_at

PLAN, MANIFEST, MODELS, RECEIPTS = "_plan.json", "_manifest.json", "_model", "_parts"
PART_ROWS = 1_000_000  # of a file with more, whole row groups of about so many
# what a part's bytes depend on beside table and model: a test holds the modules to the imports
CODE = (
    "bundle.py",
    "contract.py",
    "dataset/checks.py",
    "dataset/frame.py",
    "dataset/soundness.py",
    "encode.py",
    "standalone/score_part.py",
    "standalone/scoring.py",
)
LIBRARIES = ("numpy", "onnxruntime", "pandas", "pyarrow")


@dataclass(frozen=True)
class ScorePart:
    """Some row groups of a table, and where their answers go."""

    name: str
    source: str  # address of the table
    mark: str  # of the table, when it was planned
    first: int  # row group
    last: int  # row group, included
    rows: int
    target: str  # address of the folder of answers
    model: str  # digest of the bundle's manifest
    code: str


@dataclass(frozen=True)
class Plan:
    """Parts in the order of their tables."""

    source: str
    target: str
    model: str
    version: str  # of the model
    code: str
    parts: tuple[ScorePart, ...]

    @property
    def rows(self) -> int:
        """Of all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def files(self) -> set[str]:
        """The names of the answers' files."""
        return {part.name + SUFFIX for part in self.parts}


def code_now() -> str:
    """The digest of this process's code and libraries."""
    return code_digest(CODE, LIBRARIES)


def make_plan(source: str, target: str) -> Plan:
    """The plan for the champion and the tables as they are now.

    Raises:
        UserError: no champion, no tables, one without the contract's columns, or the answers would
            lie among the tables.
    """
    folder = Path(os.environ.get("ML_BUNDLE") or CHAMPION).resolve()
    bundle, tables, store = load_bundle(folder), tables_at(source), _store(target)
    where = store.system.unstrip_protocol(store.root)
    _check(tables, bundle, where)
    model = hashlib.sha256((folder / MANIFEST_FILE).read_bytes()).hexdigest()[:LENGTH]
    code = code_now()
    parts = tuple(part for table in tables for part in _parts(table, where, model, code))
    if not parts:
        raise UserError(f"{source}: holds no rows", "give tables with rows")
    return Plan(absolute(source), where, model, bundle.version, code, parts)


def _store(target: str) -> Store:
    with reachable(target):
        return Store(target)


def absolute(source: str) -> str:
    """An address that means the same in any folder."""
    return source if "://" in source else f"file://{Path(source).absolute()}"


def shown(address: str) -> str:
    """An address as a person types it: a path of this machine from where they are."""
    if not address.startswith("file://"):
        return address
    path = Path(address.removeprefix("file://"))
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _check(tables: list[Table], bundle: Bundle, where: str) -> None:
    inside = [table.address for table in tables if table.address.startswith(f"{where}/")]
    if inside:
        raise UserError(
            f"{shown(inside[0])}: lies where the answers go", "give another folder for them"
        )
    for table in tables:
        check_columns(list(table.columns), bundle.contract, table.address)


def _parts(table: Table, where: str, model: str, code: str) -> Iterator[ScorePart]:
    """A table's row groups, as many together as have about PART_ROWS rows."""
    cuts = list(_cuts(table.groups))
    for number, (first, last) in enumerate(cuts):
        rows = sum(table.groups[first : last + 1])
        digest = digest_of(table.name, table.digest, f"{first} {last}", model, code)
        place = f".{number:05}" if len(cuts) > 1 else ""
        name = f"{table.name}{place}-{digest}"
        yield ScorePart(name, table.address, table.mark, first, last, rows, where, model, code)


def _cuts(groups: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    first, rows = 0, 0
    for number, count in enumerate(groups):
        rows += count
        if rows and (rows >= PART_ROWS or number == len(groups) - 1):
            yield first, number
            first, rows = number + 1, 0


def write_plan(plan: Plan, store: Store) -> None:
    """Write the bundle, then the plan; a manifest of another plan is removed first.

    The bundle is written as it is verified: what the manifest lists, and no rows beside it.
    """
    folder = Path(os.environ.get("ML_BUNDLE") or CHAMPION).resolve()
    listed = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))["files"]
    names = [*listed, *(SIGNATURE_FILE,) * (folder / SIGNATURE_FILE).is_file(), MANIFEST_FILE]
    here = store.sizes()
    for name in names:
        place = f"{MODELS}/{plan.model}/{name}"
        if place not in here:
            store.write(place, (folder / name).read_bytes())
    if read_plan(store, here) != plan:
        store.remove(MANIFEST)
        store.write_json(PLAN, asdict(plan))


def read_plan(store: Store, sizes: dict[str, int] | None = None) -> Plan | None:
    """The plan that stands in a folder of answers, if there is one."""
    if PLAN not in (store.sizes() if sizes is None else sizes):
        return None
    values: dict[str, Any] = json.loads(store.read(PLAN))
    parts = tuple(ScorePart(**part) for part in values.pop("parts"))
    return Plan(**values, parts=parts)


def make_room(plan: Plan, store: Store, *, replace: bool) -> None:
    """See that the folder holds no answers but this plan's.

    Raises:
        UserError: it holds those of another plan and `replace` is not given, or other tables.
    """
    here = store.sizes()
    tables = {n for n in here if n.endswith(SUFFIX) and not n.startswith(f"{MODELS}/")}
    earlier = read_plan(store, here)
    known = earlier.files if earlier else set()
    others = sorted(tables - plan.files)
    strange = [name for name in others if name not in known]
    if strange:
        raise UserError(
            f"{shown(plan.target)}: holds {listing(strange)}, which ml score did not write",
            "give a folder of its own",
        )
    if others and not replace:
        raise UserError(
            f"{shown(plan.target)}: holds answers by another model, code or table, in"
            f" {listing(others)}",
            "give another folder, or --replace",
        )
    if others:
        store.remove(MANIFEST)
    for name in others:
        store.remove(f"{RECEIPTS}/{name.removesuffix(SUFFIX)}.json")
        store.remove(name)

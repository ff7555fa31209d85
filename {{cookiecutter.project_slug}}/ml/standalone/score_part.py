"""The answers to one part of a table: the function that every executor calls.

Reads: some row groups of a table, and the bundle in the folder of answers. Writes there:
`<part>.parquet`, then `_parts/<part>.json`, its receipt: rows, bytes and SHA-256. With both there
is nothing to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ml.atomic import file_system, reading
from ml.bundle import Bundle, load_bundle
from ml.errors import UserError
from ml.scale.code_digest import LENGTH
from ml.scale.store import Store
from ml.seal.manifest import MANIFEST_FILE
from ml.standalone.score_plan import MODELS, RECEIPTS, ScorePart, code_now
from ml.standalone.scoring import ROWS, answer, write_pieces
from ml.standalone.tables import SUFFIX, mark_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Receipt = dict[str, Any]


def score_part(part: ScorePart) -> Receipt:
    """Score a part, unless its answers are there.

    Raises:
        UserError: a value that the contract does not allow, a table that was changed, or code here
            that is not the plan's.
    """
    store = Store(part.target)
    kept = receipt_of(store, part)
    if kept is not None:
        return kept
    _check_code(part)
    bundle = _model(part.target, part.model)
    _one_thread()
    with store.draft(part.name + SUFFIX) as draft:
        _write(part, bundle, draft)
        _check_mark(part)
        receipt = _receipt(part, draft)
    store.write_json(receipt_name(part), receipt)
    return receipt


def receipt_name(part: ScorePart) -> str:
    """Where a part's receipt stands."""
    return f"{RECEIPTS}/{part.name}.json"


def receipt_of(store: Store, part: ScorePart) -> Receipt | None:
    """The receipt of a part whose answers are there."""
    try:
        receipt: Receipt = json.loads(store.read(receipt_name(part)))
        size = int(store.system.info(store.path(part.name + SUFFIX))["size"])
    except FileNotFoundError:
        return None
    return receipt if size == receipt["bytes"] else None


def _receipt(part: ScorePart, file: Path) -> Receipt:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    groups = [part.first, part.last]
    about = {"file": part.name + SUFFIX, "source": part.source, "row_groups": groups}
    return {**about, "rows": part.rows, "bytes": file.stat().st_size, "sha256": digest}


def _check_code(part: ScorePart) -> None:
    if part.code != code_now():
        raise UserError(
            f"{part.name}: this worker has other code or other libraries than the plan",
            "bring the workers to the same commit and the same requirements",
        )


@lru_cache(maxsize=1)
def _model(target: str, digest: str) -> Bundle:
    """The bundle in the folder of answers, once for each process."""
    store = Store(target)
    with TemporaryDirectory() as folder:
        store.fetch(f"{MODELS}/{digest}", Path(folder))
        manifest = Path(folder) / MANIFEST_FILE
        is_there = manifest.is_file()
        found = hashlib.sha256(manifest.read_bytes()).hexdigest() if is_there else ""
        if not found.startswith(digest) or len(digest) != LENGTH:
            raise UserError(
                f"{target}/{MODELS}/{digest}: not the model that was planned",
                "remove that folder, then the same command again",
            )
        return load_bundle(Path(folder))


def _one_thread() -> None:
    """Processes are the parallelism."""
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def _write(part: ScorePart, bundle: Bundle, draft: Path) -> None:
    import pyarrow.parquet as pq

    with reading(part.source) as file:
        write_pieces(_answered(pq.ParquetFile(file), part, bundle), draft)


def _answered(table: pq.ParquetFile, part: ScorePart, bundle: Bundle) -> Iterator[pa.Table]:
    done = sum(table.metadata.row_group(i).num_rows for i in range(part.first))
    for piece in table.iter_batches(ROWS, row_groups=range(part.first, part.last + 1)):
        yield answer(piece, bundle, f"{part.source}: rows from {done:,}")
        done += piece.num_rows


def _check_mark(part: ScorePart) -> None:
    system, path = file_system(part.source)
    if mark_of(system, path) != part.mark:
        raise UserError(
            f"{part.source}: was changed since the plan was made", "the same command again"
        )

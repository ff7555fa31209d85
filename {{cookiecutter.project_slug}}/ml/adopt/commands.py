"""A person's table → contract.yaml, data/raw and DVC.

`demo` makes the demo's data and adopts it the same way.

Reads: a CSV or Parquet file, a folder of them, an address. Writes: contract.yaml,
data/raw/0001-<name>, data/raw.dvc.
Run: `make adopt DATA=customers.csv TARGET=churned` (or `python -m ml adopt customers.csv --target
churned`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from ml.adopt import demo_data
from ml.adopt.append import check
from ml.adopt.contract_file import (
    PROPOSED,
    Choice,
    contract_yaml,
    differences,
    is_edited,
    write_contract,
    write_proposal,
)
from ml.adopt.demo_project import demo_table, leaves_demo, remove_demo
from ml.adopt.infer_contract import Adopted, Request, understand
from ml.adopt.source.dialect import codec_name, encoding_doubt
from ml.adopt.source.inputs import local_parts, read
from ml.adopt.source.raw_store import is_stored, store
from ml.adopt.source.size import check_size
from ml.adopt.summary import table
from ml.contract import CONTRACT, Task, load_contract
from ml.dataset.reader import RAW
from ml.errors import SENTENCE, UserError, printable
from ml.progress import reading


def adopt(
    data: str,
    *,
    target: str | None,
    time: str | None = None,
    id: str | None = None,
    drop: list[str],
    task: str | None = None,
    names: list[str] | None = None,
    contract: str | None = None,
    encoding: str | None = None,
    max_bytes: int | None = None,
) -> None:
    """Infer the contract of a table and put both in place.

    Args:
        data: a file, a folder of parts, an address, or `demo`.
        target: the column to predict.
        time: the column that orders the rows.
        id: the column that says what a row is about.
        drop: columns to leave out.
        task: binary, multiclass or regression; None: from the target.
        names: of the columns of a file without a header.
        contract: `keep` or `replace` a contract.yaml that was edited since adopt wrote it.
        encoding: of the text files; None: from their bytes.
        max_bytes: how large the table may be, unpacked; None: the limits of `ml.adopt.source.size`.

    Raises:
        UserError: whatever is wrong with the file, the target or an option.
    """
    if data == "demo":
        with demo_table() as path:
            _adopt([path], Request(demo_data.TARGET, demo_data.TIME, demo_data.ID), contract)
        return
    if target is None:
        raise UserError(
            "adopt needs to know which column to predict", f"make adopt DATA={data} TARGET=column"
        )
    _check_choice("task", task, get_args(Task))
    _check_choice("contract", contract, get_args(Choice))
    codec = codec_name(encoding) if encoding else ""
    listed = tuple(names or ())
    request = Request(
        target, time, id, tuple(drop), cast("Task | None", task), listed, codec, max_bytes
    )
    try:
        _adopt(local_parts(data), request, contract)
    except OSError as error:
        raise UserError(
            f"{data}: {error}", "mend that (space? permission?), then repeat the command"
        ) from None


def _check_choice(option: str, given: str | None, choices: tuple[str, ...]) -> None:
    if given is not None and given not in choices:
        raise UserError(
            f'{option} "{given}" is none of {", ".join(choices)}', f"{option.upper()}={choices[0]}"
        )


def _adopt(paths: list[Path], request: Request, choice: str | None) -> None:
    console = Console()
    check_size(paths, request.max_bytes)
    with reading() as watch:
        texts, source = read(paths, request.names, watch, request.encoding)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        adopted = understand(str(paths[0]), texts, source, request, progress.track)
    if not request.encoding:
        guesses = [remark for path in paths if (remark := encoding_doubt(path, source))]
        adopted = replace(adopted, remarks=(*adopted.remarks, *guesses))
    _show(adopted, console)
    kept = place(paths, adopted, choice, console, request.encoding)
    console.print(f"\n{adopted.rows} rows in {RAW}/ and under DVC; {CONTRACT}: {kept}")
    console.print("[bold]next:[/] make flow")


def _show(adopted: Adopted, console: Console) -> None:
    console.print(table(adopted))
    for remark in adopted.remarks:
        console.print(f"[yellow]doubt:[/] {escape(printable(remark, SENTENCE))}")


def place(
    paths: list[Path], adopted: Adopted, choice: str | None, console: Console, encoding: str = ""
) -> str:
    """Put data and contract in place; what was done with the contract, in words.

    Args:
        paths: the parts.
        adopted: what was inferred from them.
        choice: `keep` or `replace` an edited contract.
        console: where the changes are shown.
        encoding: as a person named it.

    Raises:
        UserError: contract.yaml was edited, would change, and nobody said which one to follow.
    """
    text = contract_yaml(adopted.contract, adopted.doubts, adopted.remarks)
    leaving, edited = leaves_demo(paths), CONTRACT.is_file() and is_edited()
    # the demo's own contract has nothing to do with this table: a comparison would only confuse
    changes = _changes(adopted, choice) if edited or not leaving else []
    edited = edited and bool(changes)
    if changes:
        console.print(f"\n[bold]{CONTRACT} would change:[/]")
        console.print("\n".join(changes[:40]))
    if edited and choice is None and not is_stored(paths):
        write_proposal(text)
        raise UserError(
            f"{CONTRACT} was edited since adopt wrote it; this table would change it as listed:"
            " nothing is replaced",
            "repeat with CONTRACT=keep (your edits stay), or CONTRACT=replace (it becomes"
            f" {PROPOSED})",
        )
    keep = edited and choice != "replace"
    if keep:
        _check_kept(paths, encoding)
    # before the data: after a kill in between, a rerun still finds the demo and goes on
    if leaving:
        console.print(
            f"\nremoved with the demo data: {', '.join(map(str, remove_demo())) or 'nothing else'}"
        )
    store(paths)
    if keep:
        return "your edits stay as they are"
    write_contract(text)
    return "replaced as listed" if changes else "read its doubts, correct what is wrong"


def _changes(adopted: Adopted, choice: str | None) -> list[str]:
    if not CONTRACT.is_file():
        return []
    try:
        return differences(adopted.contract)
    except UserError as error:
        if choice != "replace":
            raise
        return [escape(error.what)]


def _check_kept(paths: list[Path], encoding: str) -> None:
    """The contract that stays must be able to read the new parts."""
    contract = load_contract()
    for path in paths:
        check(path, contract, encoding)

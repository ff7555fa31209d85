"""`ml adopt`: infer the contract of a table, then put contract.yaml and data/raw in place.

`demo` generates the demo's data and adopts them the same way.

Reads: a CSV or Parquet file, a folder of them, an address. Writes: contract.yaml,
data/raw/0001-<name>, data/raw.dvc; recipe.yaml, where the loop has changed it for another table.
Run: `make adopt DATA=customers.csv TARGET=churned` (or `python -m ml adopt customers.csv --target
churned`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

from rich.console import Console
from rich.markup import escape

from ml.adopt import demo_data
from ml.adopt.append import check
from ml.adopt.command_line import adopt_line
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
from ml.adopt.infer_contract import Adopted, Request, infer_contract
from ml.adopt.source.dialect import codec_name, encoding_doubt
from ml.adopt.source.inputs import local_parts, read
from ml.adopt.source.raw_store import is_stored, store
from ml.adopt.source.size import check_size
from ml.adopt.split_check import check_split
from ml.adopt.summary import table
from ml.contract import CONTRACT, Source, Task, load_contract, seconds_of
from ml.dataset.reader import RAW
from ml.dataset.recipe import reset_recipe
from ml.encode import features_of
from ml.errors import SENTENCE, UserError, disk_full_told, listing, printable
from ml.params import load_params
from ml.progress import counting, reading

MAX_CHANGES = 40  # lines that are shown of what would change in the contract


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
    matures_after: str = "0",
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
        matures_after: how long after an answer its outcome can still change, such as `30d`.

    Raises:
        UserError: whatever is wrong with the file, the target or an option.
    """
    if data == "demo":
        with demo_table() as path:
            said = Request(demo_data.TARGET, demo_data.TIME, demo_data.ID)
            _adopt(data, [path], said, contract)
        return
    if target is None:
        raise UserError(
            "adopt needs to know which column to predict", f"make adopt DATA={data} TARGET=column"
        )
    _check_choice("task", task, get_args(Task))
    _check_choice("contract", contract, get_args(Choice))
    codec = codec_name(encoding) if encoding else ""
    request = Request(
        target,
        time,
        id,
        tuple(drop),
        cast("Task | None", task),
        tuple(names or ()),
        codec,
        max_bytes,
        _checked_duration(matures_after),
    )
    try:
        with disk_full_told():
            _adopt(data, local_parts(data), request, contract)
    except OSError as error:
        raise UserError(
            f"{data}: {error}", "mend that (permission?), then repeat the command"
        ) from None


def _check_choice(option: str, given: str | None, choices: tuple[str, ...]) -> None:
    if given is not None and given not in choices:
        raise UserError(
            f'{option} "{given}" is none of {", ".join(choices)}', f"{option.upper()}={choices[0]}"
        )


def _checked_duration(given: str) -> str:
    try:
        seconds_of(given)
    except ValueError as error:
        raise UserError(f'matures-after "{given}": {error}', "MATURES_AFTER=30d") from None
    return given


def _adopt(data: str, paths: list[Path], request: Request, choice: str | None) -> None:
    console = Console()
    check_size(paths, request.max_bytes)
    adopted = _infer(paths, request)
    _show(adopted, console)
    outcome = place(paths, adopted, choice, console, request.encoding)
    console.print(f"\n{adopted.rows} rows in {RAW}/ and under DVC; {CONTRACT}: {outcome}")
    console.print("[bold]next:[/] make flow", end="")
    _print_advice(_leak_advice(data, request, adopted) if adopted.suspects else "", console)


def _print_advice(advice: str, console: Console) -> None:
    """End the line of the next command; a command in the advice keeps its own line unbroken."""
    console.print(advice, markup=False, highlight=False, soft_wrap=True)


def _leak_advice(data: str, request: Request, adopted: Adopted) -> str:
    """How to go on without the suspected leaks; the command that does it is a line of its own."""
    suspects = adopted.suspects
    if is_edited():  # the contract that stays is a person's: adopt would leave the columns in it
        kept = [name for name in suspects if name in load_contract().names]
        return f", or first move to dropped in {CONTRACT}: {listing(kept)} (leaks?)" if kept else ""
    if not any(features_of(c) for c in adopted.contract.columns if c.name not in suspects):
        return ", or first DROP some columns: each that the model would see may be a leak"
    return f", or first leave out what may be a leak:\n{adopt_line(data, request, suspects)}"


def _infer(paths: list[Path], request: Request) -> Adopted:
    """Read the parts and infer their contract; a bar shows how far both are."""
    with reading() as watch:
        texts, source = read(paths, request.names, watch, request.encoding)
    with counting("columns", texts.num_columns - 1) as advance:
        adopted = infer_contract(str(paths[0]), texts, source, request, advance)
    check_split(str(paths[0]), texts, adopted.contract, load_params().split)
    return adopted if request.encoding else _with_encoding_doubts(adopted, paths, source)


def _with_encoding_doubts(adopted: Adopted, paths: list[Path], source: Source) -> Adopted:
    """The same with a remark on each part whose encoding is a guess."""
    doubts = [doubt for path in paths if (doubt := encoding_doubt(path, source))]
    return replace(adopted, remarks=(*adopted.remarks, *doubts))


def _show(adopted: Adopted, console: Console) -> None:
    console.print(table(adopted))
    for remark in adopted.remarks:
        console.print(f"[yellow]doubt:[/] {escape(printable(remark, SENTENCE))}")
    if adopted.contract.time is not None and adopted.contract.target.matures_after == "0":
        console.print(
            f"outcomes count as soon as they come (target: matures_after: 0 in {CONTRACT}); "
            "if they can change for some time: MATURES_AFTER=30d"
        )


def place(
    paths: list[Path], adopted: Adopted, choice: str | None, console: Console, encoding: str = ""
) -> str:
    """Put data and contract in place; return what became of the contract, in words.

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
    _show_changes(changes, console)
    in_conflict = edited and bool(changes)
    if in_conflict and choice is None and not is_stored(paths):
        raise _propose(text)
    keep = in_conflict and choice != "replace"
    if keep:
        _check_kept(paths, encoding)
    # before the data: after a kill in between, a rerun still finds the demo and goes on
    if leaving:
        _remove_demo(console)
    if not is_stored(paths):
        reset_recipe()
    store(paths)
    if keep:
        return "your edits stay as they are"
    write_contract(text)
    return "replaced as listed" if changes else "read its doubts, correct what is wrong"


def _changes(adopted: Adopted, choice: str | None) -> list[str]:
    """What contract.yaml would change in, a line each; empty: nothing, or there is none yet."""
    if not CONTRACT.is_file():
        return []
    try:
        return differences(adopted.contract)
    except UserError as error:
        if choice != "replace":
            raise
        return [escape(error.what)]


def _show_changes(changes: list[str], console: Console) -> None:
    if changes:
        console.print(f"\n[bold]{CONTRACT} would change:[/]")
        console.print("\n".join(changes[:MAX_CHANGES]))


def _propose(text: str) -> UserError:
    """Write the contract beside the edited one; the error asks which of them to follow."""
    write_proposal(text)
    return UserError(
        f"{CONTRACT} was edited since adopt wrote it; this table would change it as listed:"
        " nothing is replaced",
        f"repeat with CONTRACT=keep (your edits stay), or CONTRACT=replace (it becomes {PROPOSED})",
    )


def _check_kept(paths: list[Path], encoding: str) -> None:
    """The contract that stays must be able to read the new parts."""
    contract = load_contract()
    for path in paths:
        check(path, contract, encoding)


def _remove_demo(console: Console) -> None:
    removed = ", ".join(map(str, remove_demo())) or "nothing else"
    console.print(f"\nremoved with the demo data: {removed}")

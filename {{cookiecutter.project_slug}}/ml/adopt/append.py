"""One more part for data/raw, if it keeps the contract; else it goes to data/quarantine.

Nothing trains on a part in quarantine.

Reads: contract.yaml, params.yaml (validate), the file or folder. Writes: data/raw/NNNN-<name>, or
data/quarantine/.
Run: `python -m ml adopt --append more.csv` (or `make adopt DATA=more.csv APPEND=1`).
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ml.adopt.source.dialect import FIRST_LINE, GUESSED, SNIFFED, codec_name, sniff
from ml.adopt.source.inputs import is_ascii, local_parts
from ml.adopt.source.raw_store import add, quarantine
from ml.adopt.source.size import check_size
from ml.contract import Contract, load_contract
from ml.dataset.reader import is_parquet
from ml.errors import SENTENCE, UserError, printable
from ml.params import load_params


def append(data: str, encoding: str | None = None, max_bytes: int | None = None) -> None:
    """Check each part against the contract and put it where it belongs.

    Args:
        data: a file, a folder of parts, an address.
        encoding: of the text files, where their bytes leave a doubt; it must be the contract's.
        max_bytes: how large the parts may be, unpacked; None: the limits of `ml.adopt.source.size`.

    Raises:
        UserError: a part broke the contract (it is in quarantine by then; parts before it were
            added).
    """
    contract, console = load_contract(), Console()
    codec = codec_name(encoding) if encoding else ""
    paths = local_parts(data)
    check_size(paths, max_bytes)
    for path in paths:
        try:
            rows = check(path, contract, codec)
        except UserError as error:
            kept = quarantine(path, error)
            raise UserError(
                f"{error.what}; it is in {kept}, with the reason in {kept.name}.reason.txt;"
                " data/raw is unchanged",
                error.then,
            ) from None
        console.print(f"{rows} rows → {escape(printable(str(add(path)), SENTENCE))}")
    console.print("[bold]next:[/] make flow")


def check(path: Path, contract: Contract, encoding: str = "") -> int:
    """Rows of a part that keeps the contract.

    Args:
        path: the part.
        contract: what it must keep.
        encoding: as a person named it; empty: from its bytes.

    Raises:
        UserError: it is written otherwise, lacks a column, holds a value that is none of its
            column's.
    """
    from ml.dataset.checks import findings, refuse
    from ml.dataset.frame import typed
    from ml.dataset.typed import read_typed

    if not is_parquet(path):
        _check_source(path, contract, encoding)
    part = read_typed(path, contract)
    frame = typed(part.table.to_pandas(), contract)
    refuse(findings(frame, contract, load_params().validate_)[:1], len(frame), str(path))
    return part.rows_read


def _check_source(path: Path, contract: Contract, encoding: str) -> None:
    """Name a wrong separator or encoding before it shows as missing columns or strange letters."""
    source = contract.source
    known = "" if source.encoding in SNIFFED else source.encoding  # bytes tell no other apart
    found = sniff(path, source.names or (FIRST_LINE,), encoding or known)
    if found.separator != source.separator:
        raise UserError(
            f'{path}: "{found.separator}" separates its columns, in contract.yaml it is'
            f' "{source.separator}"',
            f'write it with "{source.separator}"',
        )
    alike = found.encoding == source.encoding or (found.encoding, source.encoding) == GUESSED
    if not alike and not is_ascii(path):
        raise UserError(
            f"{path}: it is {found.encoding}, in contract.yaml the encoding is {source.encoding}",
            f"write it as {source.encoding}, or say that it is: ENCODING={source.encoding}",
        )

"""`ml adopt --append`: a part that keeps the contract goes to data/raw, another to quarantine.

Nothing is trained on a part in data/quarantine.

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
from ml.contract import Contract, Source, load_contract
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
        rows = _check_or_quarantine(path, contract, codec)
        console.print(f"{rows} rows → {escape(printable(str(add(path)), SENTENCE))}")
    console.print("[bold]next:[/] make flow")


def _check_or_quarantine(path: Path, contract: Contract, encoding: str) -> int:
    """Rows of a part that keeps the contract; a part that breaks it goes to quarantine."""
    try:
        return check(path, contract, encoding)
    except UserError as error:
        quarantined = quarantine(path, error)
        raise UserError(
            f"{error.what}; it is in {quarantined}, with the reason in"
            f" {quarantined.name}.reason.txt; data/raw is unchanged",
            error.then,
        ) from None


def check(path: Path, contract: Contract, encoding: str = "") -> int:
    """Rows of a part that keeps the contract.

    Args:
        path: the part.
        contract: what it must keep.
        encoding: as a person named it; empty: from its bytes.

    Raises:
        UserError: another separator or encoding, a column that is not there, a value that is none
            of its column's.
    """
    from ml.dataset.checks import findings, refuse
    from ml.dataset.frame import typed
    from ml.dataset.typed import read_typed

    if not is_parquet(path):
        _check_source(path, contract.source, encoding)
    part = read_typed(path, contract)
    frame = typed(part.table.to_pandas(), contract)
    refuse(findings(frame, contract, load_params().validate_)[:1], len(frame), str(path))
    return part.rows_read


def _check_source(path: Path, source: Source, encoding: str) -> None:
    """Name a wrong separator or encoding before it shows as missing columns or strange letters."""
    known = "" if source.encoding in SNIFFED else source.encoding  # bytes tell no other apart
    sniffed = sniff(path, source.names or (FIRST_LINE,), encoding or known)
    _check_separator(path, sniffed.separator, source.separator)
    _check_encoding(path, sniffed.encoding, source.encoding)


def _check_separator(path: Path, separator: str, expected: str) -> None:
    if separator != expected:
        raise UserError(
            f'{path}: "{separator}" separates its columns, in contract.yaml it is "{expected}"',
            f'write it with "{expected}"',
        )


def _check_encoding(path: Path, encoding: str, expected: str) -> None:
    alike = encoding == expected or (encoding, expected) == GUESSED
    if not alike and not is_ascii(path):
        raise UserError(
            f"{path}: it is {encoding}, in contract.yaml the encoding is {expected}",
            f"write it as {expected}, or say that it is: ENCODING={expected}",
        )

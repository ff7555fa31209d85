"""The parts under data/raw and under DVC.

To store the same content twice changes nothing; a rerun repairs what a killed command left.

Writes: data/raw/NNNN-<name>, data/raw.dvc, data/quarantine/<name> with <name>.reason.txt.
"""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
from itertools import chain, count
from pathlib import Path

from ml.adopt.source import dvc_process
from ml.atomic import staged
from ml.dataset.csv_file import is_packed
from ml.dataset.reader import RAW, is_parquet, stored_parts
from ml.errors import UserError

NEW, OLD = RAW.with_name(".raw.new"), RAW.with_name(".raw.old")  # while the parts are replaced
DRAFTS = (".*.new", ".*.draft")  # parts that are being written
QUARANTINE = Path("data/quarantine")


def sweep() -> None:
    """Clear what a killed adopt, append or retrain left half written: `dvc add` would version it.

    Killed between the two renames of `store`, the old parts are put back.
    """
    _remove_drafts()
    if (OLD / "raw").is_dir() and not RAW.exists():
        (OLD / "raw").rename(RAW)
    for folder in (NEW, OLD):
        shutil.rmtree(folder, ignore_errors=True)


def _remove_drafts() -> None:
    for draft in (path for pattern in DRAFTS for path in RAW.glob(pattern)):
        draft.unlink(missing_ok=True)


def same_bytes(path: Path, other: Path) -> bool:
    """Whether two files hold the same bytes."""
    return filecmp.cmp(path, other, shallow=False)


def is_stored(paths: list[Path]) -> bool:
    """Whether data/raw starts with these parts.

    Parts that `ml retrain` and `--append` added may follow them.
    """
    stored = stored_parts()[: len(paths)]
    return len(stored) == len(paths) and all(map(same_bytes, paths, stored))


def store(paths: list[Path]) -> None:
    """Make the files the parts of data/raw, in place of those before, and `dvc add` the folder."""
    sweep()
    if not is_stored(paths):
        place_parts(paths)
    dvc("add", str(RAW))


def place_parts(paths: list[Path]) -> None:
    """Make the files the parts of data/raw, in place of those before."""
    fresh = _emptied(NEW)
    try:
        _copy_parts(paths, fresh)
    except BaseException:
        shutil.rmtree(fresh)
        raise
    _emptied(OLD)
    if RAW.exists():
        RAW.rename(OLD / "raw")
    fresh.rename(RAW)
    shutil.rmtree(OLD)


def _copy_parts(paths: list[Path], folder: Path) -> None:
    for i, path in enumerate(paths, 1):
        shutil.copyfile(path, folder / part_name(path, i))


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def add(path: Path) -> Path:
    """Copy one more part behind the others and `dvc add` the folder.

    A part that is there already stays alone.
    """
    sweep()
    parts = stored_parts()
    stored = next((part for part in parts if same_bytes(path, part)), None)
    if stored is None:
        stored = RAW / part_name(path, _last_number(parts) + 1)
        _copy(path, stored)
    dvc("add", str(RAW))
    return stored


def _last_number(parts: list[Path]) -> int:
    numbers = [part.name.split("-")[0] for part in parts]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def quarantine(path: Path, reason: UserError) -> Path:
    """Copy a part that breaks the contract to data/quarantine, with the reason beside it."""
    QUARANTINE.mkdir(parents=True, exist_ok=True)
    copy = _quarantine_path(path)
    _copy(path, copy)
    copy.with_name(f"{copy.name}.reason.txt").write_text(f"{reason}\n", encoding="utf-8")
    return copy


def _quarantine_path(path: Path) -> Path:
    """A path in quarantine that is free or holds the same bytes: sales.csv, else sales-2.csv."""
    names = chain([path.name], (f"{path.stem}-{n}{path.suffix}" for n in count(2)))
    copies = (QUARANTINE / name for name in names)
    return next(c for c in copies if not c.exists() or same_bytes(path, c))


def part_name(path: Path, number: int) -> str:
    """`0001-sales_2024.csv` for `Sales 2024.tsv`.

    The ending says what is inside, the rest only where it came from.
    """
    ending = ".parquet" if is_parquet(path) else ".csv.gz" if is_packed(path) else ".csv"
    return f"{number:04d}-{_plain_stem(path)}{ending}"


def _plain_stem(path: Path) -> str:
    """The file's name without endings and an earlier number, in characters of any file system."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(name).stem).strip("._-") or "data"
    return re.sub(r"^\d{4}-", "", stem) or "data"


def _copy(path: Path, stored: Path) -> None:
    with staged(stored) as draft:
        shutil.copyfile(path, draft)


def dvc(*arguments: str) -> None:
    """Run DVC; if it fails, its own message is passed on."""
    done = dvc_process.run(*arguments)
    if done.returncode:
        raise UserError(
            f"dvc {' '.join(arguments)}: {_message(done)}",
            "mend what DVC names, then repeat the command",
        )


def _message(failed: subprocess.CompletedProcess[str]) -> str:
    output = failed.stderr.strip() or failed.stdout.strip()
    return " ".join(output.removeprefix("ERROR: ").split())

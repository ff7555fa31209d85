"""The parts under data/raw and under DVC.

The same content twice changes nothing; after a kill a rerun restores order.

Writes: data/raw/NNNN-<name>, data/raw.dvc, data/quarantine/<name> with <name>.reason.txt.
"""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ml.atomic import staged
from ml.dataset.reader import RAW, is_packed, is_parquet, stored_parts
from ml.errors import UserError

NEW, OLD = RAW.with_name(".raw.new"), RAW.with_name(".raw.old")  # while the parts are replaced
DRAFTS = (".*.new", ".*.draft")  # parts that are being written
QUARANTINE = Path("data/quarantine")


def sweep() -> None:
    """Clear what a killed adopt, append or retrain left half written: `dvc add` would version it.

    Killed between the two renames of `store`, the old parts are put back.
    """
    for draft in (path for pattern in DRAFTS for path in RAW.glob(pattern)):
        draft.unlink(missing_ok=True)
    if (OLD / "raw").is_dir() and not RAW.exists():
        (OLD / "raw").rename(RAW)
    for folder in (NEW, OLD):
        shutil.rmtree(folder, ignore_errors=True)


def is_stored(paths: list[Path]) -> bool:
    """Whether data/raw starts with these parts.

    Parts that `ml retrain` and `--append` added may follow them.
    """
    here = stored_parts()[: len(paths)]
    return len(here) == len(paths) and all(
        filecmp.cmp(a, b, shallow=False) for a, b in zip(paths, here, strict=True)
    )


def store(paths: list[Path]) -> None:
    """Make the files the parts of data/raw, in place of those before, and `dvc add` the folder."""
    sweep()
    if not is_stored(paths):
        place_parts(paths)
    dvc("add", str(RAW))


def place_parts(paths: list[Path]) -> None:
    """Make the files the parts of data/raw, in place of those before."""
    fresh = _emptied(NEW)
    for i, path in enumerate(paths, 1):
        shutil.copyfile(path, fresh / part_name(path, i))
    _emptied(OLD)
    if RAW.exists():
        RAW.rename(OLD / "raw")
    fresh.rename(RAW)
    shutil.rmtree(OLD)


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def add(path: Path) -> Path:
    """Copy one more part behind the others and `dvc add` the folder.

    A part that is there already stays alone.
    """
    sweep()
    here = stored_parts()
    same = next((p for p in here if filecmp.cmp(path, p, shallow=False)), None)
    if same is None:
        numbers = [p.name.split("-")[0] for p in here]
        last = max((int(number) for number in numbers if number.isdigit()), default=0)
        same = RAW / part_name(path, last + 1)
        _copy(path, same)
    dvc("add", str(RAW))
    return same


def quarantine(path: Path, reason: UserError) -> Path:
    """Copy a part that breaks the contract to data/quarantine, with the reason beside it."""
    QUARANTINE.mkdir(parents=True, exist_ok=True)
    kept, n = QUARANTINE / path.name, 1
    while kept.exists() and not filecmp.cmp(path, kept, shallow=False):
        n += 1
        kept = QUARANTINE / f"{path.stem}-{n}{path.suffix}"
    _copy(path, kept)
    kept.with_name(f"{kept.name}.reason.txt").write_text(f"{reason}\n", encoding="utf-8")
    return kept


def part_name(path: Path, number: int) -> str:
    """`0001-sales_2024.csv` for `Sales 2024.tsv`.

    The ending says what is inside, the rest only where it came from.
    """
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(name).stem).strip("._-") or "data"
    stem = re.sub(r"^\d{4}-", "", stem) or "data"
    ending = ".parquet" if is_parquet(path) else ".csv.gz" if is_packed(path) else ".csv"
    return f"{number:04d}-{stem}{ending}"


def _copy(path: Path, stored: Path) -> None:
    with staged(stored) as draft:
        shutil.copyfile(path, draft)


def dvc(*arguments: str) -> None:
    """Run DVC; what it says when it fails is passed on."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = " ".join(
            (done.stderr.strip() or done.stdout.strip()).removeprefix("ERROR: ").split()
        )
        raise UserError(
            f"dvc {' '.join(arguments)}: {said}", "mend what DVC names, then repeat the command"
        )

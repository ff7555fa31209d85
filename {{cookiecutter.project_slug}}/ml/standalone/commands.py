"""`ml score`: one file into one file, or many into a folder of answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ml.errors import UserError


@dataclass(frozen=True)
class Wanted:
    """The options of `ml score`."""

    scheduler: str | None = None
    workers: int = 0
    part_seconds: float = 3600
    plan: bool = False
    share: str | None = None
    replace: bool = False


def score(source: str, target: str, wanted: Wanted) -> bool:
    """Score, and say whether everything that was asked for is done.

    Raises:
        UserError: a mistake in the call, the tables or the addresses.
    """
    if is_one_file(source, target):
        from ml.standalone.scoring import score as score_file

        _refuse_options(target, wanted)
        score_file(Path(source), Path(target))
        return True
    return _score_folder(source, target, wanted)


def is_one_file(source: str, target: str) -> bool:
    """Whether a file of this machine becomes one file: so it was before there were folders."""
    here = not any("://" in address for address in (source, target))
    folder = target.endswith("/") or Path(target).is_dir() or Path(source).is_dir()
    return here and not folder and not any(sign in source for sign in "*?[")


def _refuse_options(target: str, wanted: Wanted) -> None:
    if wanted.scheduler or wanted.plan or wanted.share or wanted.replace:
        raise UserError(
            f"{target}: one file is written by this process alone",
            f"give a folder, {target.removesuffix('.parquet')}/",
        )


def _score_folder(source: str, target: str, wanted: Wanted) -> bool:
    from ml.scale.address import executor_at
    from ml.scale.local import LocalPool
    from ml.standalone import score_folder as folder

    seconds = wanted.part_seconds
    if wanted.share:
        share, plan = folder.Share.parse(wanted.share), folder.planned(source, target)
        return folder.score_parts(plan, LocalPool(wanted.workers or 1), seconds, share)
    executor = executor_at(wanted.scheduler, wanted.workers)
    plan = folder.plan_scores(source, target, replace=wanted.replace)
    return wanted.plan or folder.score_parts(plan, executor, seconds)

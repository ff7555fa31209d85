"""A release made again from its commit and data, and what differs from what was served.

The pipeline runs whole: nothing is taken from DVC's cache but the raw data. Bundle and answer are
compared byte for byte. Floating-point results depend on processor and libraries, so where
something differs both environments are compared, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ml.bundle import load_bundle
from ml.errors import UserError
from ml.params import load_params
from ml.pipeline.artifacts import BUNDLE
from ml.release import publish
from ml.release.lineage import CONTRACT, LOCK, data_version_of, environment, file_hash, folder_hash
from ml.serving.inference.predictor import Predictor
from ml.trace.checkout import checked_out, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ml.progress import NextStep
    from ml.trace.record import Found


@dataclass(frozen=True)
class Compared:
    """One thing that was released and made again, as texts."""

    what: str
    released: str
    rebuilt: str

    @property
    def same(self) -> bool:
        """Whether both are equal."""
        return self.released == self.rebuilt


def rebuild(asked: Sequence[Found], release: dict[str, Any], next_step: NextStep) -> list[Compared]:
    """Make a version again and ask it the same requests.

    Args:
        asked: predictions that the version gave.
        release: its lineage.json.
        next_step: is told the name of each.

    Raises:
        UserError: the release names no commit, or git, DVC or the pipeline stops.
    """
    commit = release.get("git_commit")
    if not commit:
        raise UserError(
            f"release {release['version']} names no git commit, so nothing can be checked out",
            "commit before `make release`",
        )
    next_step("checking out commit and data")
    with checked_out(commit) as project:
        next_step("running the pipeline again")
        run(project, "repro", "--force", "--no-run-cache", "--no-commit", "--quiet")
        next_step("asking the rebuilt model")
        return [
            *_sources(project, release),
            *_files(project, release["version"]),
            Compared("bundle", release["bundle_hash"], folder_hash(project / BUNDLE)),
            *_answers(project, asked, release),
        ]


def _sources(project: Path, release: dict[str, Any]) -> list[Compared]:
    """Data, contract and dvc.lock; what an older release does not name is left out."""
    made = {
        "data": data_version_of(project),
        "contract": file_hash(project / CONTRACT),
        "dvc_lock": file_hash(project / LOCK),
    }
    return [Compared(name, release[name], now) for name, now in made.items() if name in release]


def _files(project: Path, version: str) -> list[Compared]:
    """The files of the bundle, one by one."""
    folder = publish.release_folder(version)
    names = sorted(path.name for path in (project / BUNDLE).iterdir())
    return [
        Compared(f"bundle/{name}", _hash(folder / name), file_hash(project / BUNDLE / name))
        for name in names
    ]


def _hash(path: Path) -> str:
    return file_hash(path) if path.is_file() else "no such file"


def _answers(project: Path, asked: Sequence[Found], release: dict[str, Any]) -> list[Compared]:
    """The predictions, and all others of their requests, in bytes."""
    draft = project / "rebuilt"
    publish.make_draft(project / BUNDLE, draft, release)
    predictor = Predictor(load_bundle(draft, is_draft=True), load_params().serve)
    return [line for found in asked for line in _answer_again(predictor, found)]


def _answer_again(predictor: Predictor, found: Found) -> list[Compared]:
    rows = [_row(p.features, p.row_id, predictor.bundle.contract.id) for p in found.asked]
    (answer,) = predictor.answer([rows])
    was = [_answer(p.prediction, p.probabilities) for p in found.asked]
    now = [
        text
        for entry in answer.entries
        for text in _entry_answers(entry.rows, entry.prediction, entry.probabilities)
    ]
    place = found.asked.index(found.prediction)
    wrong = sum(a != b for a, b in zip(was, now, strict=True))
    lines = [Compared(f"answer {found.prediction.prediction_id}", was[place], now[place])]
    if len(was) > 1:
        among = f"the request's {len(was):,} answers"
        lines.append(Compared(among, "same", "same" if not wrong else f"{wrong:,} differ"))
    return lines


def _row(features: dict[str, Any], row_id: str | None, name: str | None) -> dict[str, Any]:
    return {**features, name: row_id} if name is not None else features


def _answer(prediction: Any, probabilities: Any) -> str:
    """An answer as canonical bytes: the shortest digits that tell float32 numbers apart."""
    return orjson.dumps([prediction, probabilities]).decode()


def _entry_answers(rows: int, prediction: str, probabilities: str | None) -> list[str]:
    predictions = orjson.loads(prediction)
    shares = orjson.loads(probabilities) if probabilities else None
    if rows == 1:
        return [_answer(predictions, shares)]
    return [_answer(p, shares[i] if shares else None) for i, p in enumerate(predictions)]


def environments(release: dict[str, Any]) -> list[Compared]:
    """What made the release and what made it again; empty where the release does not say."""
    before, now = release.get("environment"), environment()
    if before is None:
        return []
    simple = [Compared(k, str(before.get(k)), str(now[k])) for k in now if k != "libraries"]
    libraries = before.get("libraries", {})
    return simple + [
        Compared(name, str(libraries.get(name)), version)
        for name, version in now["libraries"].items()
    ]

"""Every version of a replay on every window of it.

Reads: serving/releases (the bundles, and the hashes of the rows that they learned from).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.bundle import RELEASES, load_bundle
from ml.contract import JOURNALED
from ml.dataset.frame import encode_frame, target_codes
from ml.dataset.row_hash import row_hashes
from ml.loop.replay.baselines import row_losses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.loop.replay.simulation.live import Lived
    from ml.loop.replay.totals import Values

TRAINED = "trained_rows.npy"  # beside a release: hashes of the rows that it learned from
LEARNED_SHARE = 0.1  # of a window's rows from which on a version's loss on it says nothing


@dataclass(frozen=True)
class VersionLosses:
    """Losses of some versions on some windows.

    Args:
        versions: their names, the first one first.
        rows: of each version and window the loss of each row.
        mean: (versions, windows).
        learned: whether the version learned from the window, (versions, windows).
    """

    versions: tuple[str, ...]
    rows: list[list[Values]]
    mean: NDArray[np.float64]
    learned: NDArray[np.bool_]

    def places(self, versions: Sequence[str]) -> NDArray[np.int64]:
        """Where these versions stand."""
        return np.array([self.versions.index(version) for version in versions])


def version_losses(lived: Sequence[Lived], contract: Contract) -> VersionLosses:
    """Ask every version in serving/releases for every window."""
    folders = sorted((path for path in RELEASES.iterdir() if path.is_dir()), key=_number)
    hashes = [_hashes(window, contract) for window in lived]
    rows = [_losses_of(folder, lived, contract) for folder in folders]
    learned = [[_learned(folder, each) for each in hashes] for folder in folders]
    mean = [[float(values.mean()) for values in windows] for windows in rows]
    names = tuple(folder.name for folder in folders)
    return VersionLosses(names, rows, np.array(mean), np.array(learned, dtype=bool))


def _number(folder: Path) -> tuple[int, str]:
    name = folder.name
    return (int(name) if name.isdigit() else 0, name)


def _losses_of(folder: Path, lived: Sequence[Lived], contract: Contract) -> list[Values]:
    bundle, losses = load_bundle(folder), []
    for window in lived:
        rows = window.slice.rows
        answer = bundle.answer(encode_frame(rows, bundle.encoder)).astype(np.float64)
        losses.append(row_losses(target_codes(rows, contract), answer, contract))
    return losses


def _hashes(lived: Lived, contract: Contract) -> NDArray[np.uint64]:
    """The rows' hashes as the pipeline knows them: by prediction id."""
    ids = np.array(lived.ids, dtype=object)
    return row_hashes(lived.slice.rows.assign(**{contract.added(JOURNALED): ids}), contract)


def _learned(folder: Path, hashes: NDArray[np.uint64]) -> bool:
    path = folder / TRAINED
    if not path.is_file():
        return False
    return bool(np.isin(hashes, np.load(path, allow_pickle=False)).mean() > LEARNED_SHARE)

"""Challenger and champion on the same fresh rows: those that neither was trained on.

Reads: a release's model.onnx, contract.json, model.json, reference.parquet and trained_rows.npy,
the hashes of the rows that its model learned from (`ml.dataset.row_hash`; a release without that
file counts as having learned from none of the rows); data/train.parquet.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ml.bundle import ABOUT_FILE, CONTRACT_FILE, MODEL_FILE, onnx_answers
from ml.contract import load_contract
from ml.dataset.frame import answer_matrix, encode_frame, read_table, target_codes, typed
from ml.dataset.row_hash import row_hashes
from ml.encode import Encoder
from ml.pipeline.artifacts import TRAIN, TRAINED_ROWS
from ml.release.gate.paired import ALPHA, INDEPENDENT, Gain, paired_gain
from ml.release.publish import REFERENCE
from ml.seal.manifest import check_beside
from ml.statistics.dependence import dependence
from ml.statistics.metric_loss import Reference

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.release.gate.paired import Inflation

    Floats = NDArray[np.float64]
    Hashes = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Contender:
    """One side of a comparison.

    Args:
        folder: its bundle or release.
        contract: of its rows.
        answers: its answers to the rows of the comparison, where another model than the folder's
            gives them (the one that was measured, before it was fitted again with the held-out
            rows).
        trained_rows: hashes of the rows that the model which answers learned from.
    """

    folder: Path
    contract: Contract
    answers: Floats | None
    trained_rows: Hashes

    def answer(self, frame: pd.DataFrame) -> Floats:
        """Its answers to a typed frame, (n, k)."""
        if self.answers is not None:
            return self.answers
        return _model_answers(self.folder, frame, self.contract)

    def has_seen(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Which of the rows it learned from, (n,)."""
        return np.isin(row_hashes(frame, self.contract), self.trained_rows)


def contender(
    folder: Path, answers: Floats | None = None, trained_rows: Hashes | None = None
) -> Contender:
    """The model of a bundle or a release; without `trained_rows` the folder's own are read.

    Raises:
        UserError: a release has to be signed and is not as it was signed.
    """
    check_beside(folder)
    seen = _trained_rows(folder) if trained_rows is None else trained_rows
    return Contender(folder, load_contract(folder / CONTRACT_FILE), answers, seen)


class Measured(NamedTuple):
    """The model of the pipeline that was just released.

    Args:
        challenger: it answers by what the pipeline measured: the model that serves may have been
            fitted again since, with the held-out rows.
        held_out: the rows that it was measured on.
        tried: models that it was the best of, on these rows.
    """

    challenger: Contender
    held_out: pd.DataFrame
    tried: int


def measured(folder: Path) -> Measured:
    """The model of a release that the pipeline's files in data/ belong to."""
    contract = load_contract(folder / CONTRACT_FILE)
    held_out = read_table(folder / REFERENCE, contract)
    trained_rows = row_hashes(read_table(TRAIN, contract), contract)
    challenger = contender(folder, answer_matrix(held_out, contract), trained_rows)
    windows = about(folder).get("comparison", {}).get("windows", {})
    return Measured(challenger, held_out, max(1, len(windows)))


def _trained_rows(folder: Path) -> Hashes:
    path = folder / TRAINED_ROWS.name
    if not path.is_file():
        return np.empty(0, dtype=np.uint64)
    return np.asarray(np.load(path, allow_pickle=False), dtype=np.uint64)


def _model_answers(folder: Path, frame: pd.DataFrame, contract: Contract) -> Floats:
    """A bundle's answers for a table; a column of its contract that the table lacks is missing."""
    complete = frame.reindex(columns=list(dict.fromkeys([*contract.names, *frame.columns])))
    x = encode_frame(typed(complete, contract), Encoder(contract))
    return onnx_answers((folder / MODEL_FILE).read_bytes(), x)


@dataclass(frozen=True, eq=False)  # what is measured on it is kept with it
class Comparison:
    """Two models' answers to the same n fresh rows, in order of time where there is one.

    Args:
        metric: what the gate compares; higher is better.
        y: class codes or values, (n,).
        challenger: its answers, (n, k).
        champion: its answers.
        frame: the rows, typed.
        contract: of the rows.
        reference: the rows that the champion was judged by, with its answers; None: not known.
        left_out: rows that are not fresh: trained on by the challenger, by the champion.
        tried: models that the challenger was the best of, on these rows.
    """

    metric: str
    y: NDArray[Any]
    challenger: Floats
    champion: Floats
    frame: pd.DataFrame
    contract: Contract
    reference: Reference | None = None
    left_out: tuple[int, int] = (0, 0)
    tried: int = 1

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def inflation(self) -> Inflation:
        """How much dependence in time inflates the variance of a difference; degrees of freedom.

        Measured on the rows' differences of the squared error, which are the difference of r2 row
        by row, and stand for the other metrics'.
        """
        if self.contract.time is None or not len(self):
            return INDEPENDENT
        difference = squared_errors(self.y, self.challenger, self.contract) - squared_errors(
            self.y, self.champion, self.contract
        )
        centred = (difference - difference.mean())[:, None]
        found = dependence(centred, np.zeros(len(self), dtype=bool)).at(len(self))
        return found.largest, found.freedom

    @cached_property
    def gain(self) -> Gain:
        """The metric's difference on all rows.

        The best of several models looks better than it is, so all that were tried share the error
        that is allowed (Bonferroni).
        """
        return paired_gain(
            self.metric,
            self.y,
            self.challenger,
            self.champion,
            self.inflation,
            ALPHA / self.tried,
        )


def squared_errors(y: NDArray[Any], answer: Floats, contract: Contract) -> Floats:
    """Squared error of each row (n,): of the value, or half the sum over the classes (Brier 1950).

    For two classes that is the squared error of the positive class's probability.
    """
    if not contract.is_classification:
        return np.square(y - answer[:, 0])
    truth = y[:, None] == np.arange(answer.shape[1])
    return np.asarray(np.square(answer - truth).sum(axis=1) / 2)


def compare(
    challenger: Contender, champion: Contender, frame: pd.DataFrame, tried: int = 1
) -> Comparison:
    """Both models' answers to the rows of a typed frame that neither was trained on.

    Args:
        challenger: its contract is the one that the frame follows.
        champion: a column of its contract that the frame lacks counts as missing.
        frame: rows with their outcomes.
        tried: models that the challenger was the best of, on these rows.
    """
    contract = challenger.contract
    seen, seen_by_champion = challenger.has_seen(frame), champion.has_seen(frame)
    rows = _in_order(frame, np.flatnonzero(~seen & ~seen_by_champion), contract)
    fresh = frame.iloc[rows]
    return Comparison(
        metric=str(about(challenger.folder)["metric"]),
        y=target_codes(fresh, contract),
        challenger=challenger.answer(frame)[rows],
        champion=champion.answer(fresh),
        frame=fresh.reset_index(drop=True),
        contract=contract,
        reference=reference_of(champion),
        left_out=(int(seen.sum()), int(seen_by_champion.sum())),
        tried=tried,
    )


def _in_order(frame: pd.DataFrame, rows: NDArray[np.intp], contract: Contract) -> NDArray[np.intp]:
    """The rows in order of time, where there is one."""
    if contract.time is None:
        return rows
    moments = frame[contract.time].to_numpy()[rows]
    return rows[np.argsort(moments, kind="stable")]


def reference_of(model: Contender) -> Reference | None:
    """The rows that a release was judged by, with its answers; None where it has no such file."""
    path, contract = model.folder / REFERENCE, model.contract
    if not path.is_file():
        return None
    rows = read_table(path, contract)
    if contract.time is not None:
        rows = rows.sort_values(contract.time, kind="stable", ignore_index=True)
    return Reference(
        metric=str(about(model.folder)["metric"]),
        task=contract.target.task,
        outcome=np.asarray(target_codes(rows, contract), dtype=np.float64),
        answer=answer_matrix(rows, contract),
        in_order=contract.time is not None,
    )


def about(folder: Path) -> dict[str, Any]:
    """A bundle's model.json."""
    return dict(json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8")))

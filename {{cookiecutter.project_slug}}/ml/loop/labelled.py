"""The journal's labelled answers that no model has learned from yet.

Reads: the journal, data/raw/*-journal.parquet (the ids of rows that are data already),
serving/quarantine.json.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from ml.contract import JOURNALED
from ml.dataset.reader import RAW
from ml.journal.store import Journal
from ml.loop.journal_part import JOURNAL_PART
from ml.monitoring.quarantine import not_quarantined

if TYPE_CHECKING:
    from ml.contract import Contract
    from ml.journal.records import Prediction


class Labelled(NamedTuple):
    """The journal's labelled answers."""

    fresh: list[Prediction]  # may be trained on, and are not in data/raw yet
    total: int
    quarantined: int


def labelled(contract: Contract, since: float = 0.0, until: float = float("inf")) -> Labelled:
    """The champion's answers with a label; fresh are those that are not in data/raw.

    Args:
        contract: names the column of the ids in data/raw.
        since: unix seconds; answers from before it are not read.
        until: answers of that moment and later are not read.
    """
    taken = _taken(contract.added(JOURNALED))
    fit = not_quarantined()  # rows of a window that the monitor found broken are not trained on
    fresh: list[Prediction] = []
    total = quarantined = 0
    with closing(Journal()) as journal:
        for prediction in journal.labelled(since, until):
            total += 1
            if not fit(prediction.at):
                quarantined += 1
            elif prediction.prediction_id not in taken:
                fresh.append(prediction)
    return Labelled(fresh, total, quarantined)


def _taken(name: str) -> set[str]:
    import pandas as pd

    parts = RAW.glob(f"[0-9][0-9][0-9][0-9]-{JOURNAL_PART}")
    return {str(value) for path in parts for value in pd.read_parquet(path, columns=[name])[name]}

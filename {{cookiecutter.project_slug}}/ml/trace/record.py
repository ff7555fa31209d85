"""The journal's entry of one prediction, found by its id.

Reads: the journal (JOURNAL_URL).
"""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

from ml.errors import UserError, printable
from ml.journal.reading import read_request
from ml.journal.records import Prediction
from ml.journal.store import Journal


class Found(NamedTuple):
    """A prediction, and the entry of the request that it was asked in.

    Args:
        prediction: the row, the answer and the latest outcome.
        asked: every prediction of the request, in its order; the prediction alone where other rows
            of the request were removed (`ml.journal.erasure`).
    """

    prediction: Prediction
    asked: tuple[Prediction, ...]


def find(prediction_id: str) -> Found:
    """The prediction of an id, of whatever role.

    Raises:
        UserError: the journal holds none of that id.
    """
    with closing(Journal()) as journal:
        asked = tuple(read_request(journal.engine, prediction_id))
    found = next((each for each in asked if each.prediction_id == prediction_id), None)
    if found is None:
        raise UserError(
            f"journal: no prediction has the id {printable(prediction_id)}",
            "check the id: POST /predict answers it as prediction_id; old ones may be pruned",
        )
    return Found(found, asked)

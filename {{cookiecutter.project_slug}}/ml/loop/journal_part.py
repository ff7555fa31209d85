"""Labelled predictions → a part of data/raw that the pipeline can read.

A row that breaks the contract is left out and named, so that one bad request stops neither `ml
retrain` nor `make flow`. Values are kept as they were served: `ml.pipeline.ingest` trims no text of
such a part and takes none for missing.

Writes: data/raw/NNNN-journal.parquet.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ml.adopt.append import check
from ml.atomic import staged
from ml.contract import JOURNALED, Contract, Target
from ml.dataset.checks import failing_rows
from ml.dataset.reader import RAW
from ml.errors import SENTENCE, RefusedError, printable
from ml.journal.labels import outcome_of
from ml.request_schema.rows import RequestSchema, latest_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from ml.journal.records import Prediction
    from ml.params import Params

JOURNAL_PART = "journal.parquet"
_NAMED = 3  # rows left out that are named; the others are counted


class Kept(NamedTuple):
    """A labelled prediction that a request could have held, checked."""

    prediction: Prediction
    row: dict[str, Any]
    outcome: Any


class LeftOut(NamedTuple):
    """A labelled prediction that is not trained on, and why."""

    prediction: Prediction
    reason: str  # its column and what is wrong with the value


def labelled_part(
    labelled: Iterable[Prediction], contract: Contract, params: Params
) -> tuple[pd.DataFrame, list[LeftOut]]:
    """Labelled predictions as a typed raw part, and those that break the contract.

    The part has the contract's columns, target and id, and `prediction_id`.

    Args:
        labelled: predictions with their outcomes.
        contract: what a row is.
        params: `validate` and `serve.max_days_ahead` bound what a row may hold.
    """
    kept, left_out = _checked(labelled, contract, params.serve.max_days_ahead)
    part = _table(kept, contract)
    failing = _failing(part, contract, params)
    left_out += [LeftOut(kept[i][0], reason) for i, reason in sorted(failing.items())]
    return part.drop(index=list(failing)).reset_index(drop=True), left_out


def _checked(
    labelled: Iterable[Prediction], contract: Contract, max_days_ahead: float | None
) -> tuple[list[Kept], list[LeftOut]]:
    """Predictions with their rows and outcomes, and those that a request could not have held."""
    schema = RequestSchema(contract, max_rows=1)
    checked = [_check(prediction, schema, contract, max_days_ahead) for prediction in labelled]
    return [c for c in checked if isinstance(c, Kept)], [
        c for c in checked if isinstance(c, LeftOut)
    ]


def _check(
    prediction: Prediction, schema: RequestSchema, contract: Contract, max_days_ahead: float | None
) -> Kept | LeftOut:
    try:
        row = schema.check(_contract_columns(prediction.features, contract))
        _refuse_future(prediction, row, contract.time, max_days_ahead)
        return Kept(prediction, row, outcome_of(prediction.outcome, contract.target))
    except RefusedError as refused:
        return LeftOut(prediction, refused.details[0]["msg"])
    except ValueError as error:
        return LeftOut(prediction, f'column "{contract.target.name}": {error}')


def _contract_columns(features: object, contract: Contract) -> object:
    """The contract's columns of a journaled row: the contract may have changed since."""
    if not isinstance(features, dict):
        return features
    return {name: features[name] for name in contract.names if name in features}


def _refuse_future(
    prediction: Prediction, row: dict[str, Any], time: str | None, max_days_ahead: float | None
) -> None:
    """Refuse a row whose moment lies too far after its answer."""
    moment = row.get(time) if time else None
    if moment is None or max_days_ahead is None:
        return
    answered = datetime.fromtimestamp(prediction.at, UTC)
    if moment > latest_moment(answered, max_days_ahead):
        raise RefusedError(
            422, [{"msg": f'column "{time}": {moment} lies too far after the answer'}]
        )


def _table(kept: Sequence[Kept], contract: Contract) -> pd.DataFrame:
    from ml.dataset.frame import frame_of_rows, typed

    frame = frame_of_rows([row for _, row, _ in kept], contract)
    frame[contract.target.name] = [outcome for _, _, outcome in kept]
    predictions = [prediction for prediction, _, _ in kept]
    if contract.id:
        frame[contract.id] = [prediction.row_id for prediction in predictions]
    frame[contract.added(JOURNALED)] = [prediction.prediction_id for prediction in predictions]
    return typed(frame, contract)


def _failing(part: pd.DataFrame, contract: Contract, params: Params) -> dict[int, str]:
    """Rows of the part that `make flow` would stop at, with their reasons."""
    failing: dict[int, str] = {}
    judged = _without_set_aside(part, contract.target)
    # without some rows, those beyond another column's range may be too large a share
    while reasons := failing_rows(judged, contract, params.validate_):
        failing |= {int(judged.index[i]): reason for i, reason in reasons.items()}
        judged = judged.drop(index=judged.index[list(reasons)])
    return failing


def _without_set_aside(part: pd.DataFrame, target: Target) -> pd.DataFrame:
    """The rows but those of a class that was set aside, which `make flow` counts and leaves out."""
    return part[~part[target.name].isin(target.set_aside)]


def summary(left_out: Sequence[LeftOut]) -> str:
    """How many rows are left out, and the first of them by prediction id and column.

    It stands in logs: neither row ids nor values are in it.
    """
    lines = [f"{len(left_out)} labelled rows are left out, they break the contract:"]
    lines += [f"  {_name(each)}" for each in left_out[:_NAMED]]
    if len(left_out) > _NAMED:
        lines.append(f"  and {len(left_out) - _NAMED} more")
    return "\n".join(lines)


def _name(left_out: LeftOut) -> str:
    column = re.match(r'column "(.*?)"', left_out.reason)
    where = f": {printable(column[0], SENTENCE)}" if column else ""
    return f"prediction {left_out.prediction.prediction_id}{where}"


def write_part(part: pd.DataFrame, contract: Contract) -> Path:
    """Write a part under the next free number, in one step, when the pipeline can read it.

    Raises:
        UserError: it cannot; data/raw is unchanged.
    """
    path = RAW / f"{_next_number():04d}-{JOURNAL_PART}"
    with staged(path) as draft:
        part.to_parquet(draft, index=False)
        check(draft, contract)
    return path


def _next_number() -> int:
    numbers = [int(path.name[:4]) for path in RAW.glob("[0-9][0-9][0-9][0-9]-*")]
    return max(numbers, default=0) + 1

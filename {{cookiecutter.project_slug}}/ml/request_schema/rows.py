"""The rows of one contract: JSON → rows that are valid for it, or what is wrong with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from ml.clock import moment
from ml.contract import Contract
from ml.errors import RefusedError, refusal
from ml.request_schema.column_types import allowed, allowed_id, field_types
from ml.request_schema.objects import ObjectSchema, Row


class RequestSchema(ObjectSchema):
    """The rows of one contract's requests.

    Args:
        contract: what a row is.
        max_rows: rows in one request at most.
        max_days_ahead: how far ahead of the clock the contract's time column may lie; None: any
            distance.
    """

    item, items, item_is = "row", "rows", "with a value for each column"
    key, unknown = "column", "is not in the contract"

    def __init__(
        self, contract: Contract, max_rows: int, max_days_ahead: float | None = None
    ) -> None:
        self._contract = contract
        self._max_days_ahead = max_days_ahead
        self._latest = ""  # moments up to this one need no look at the clock
        optional = [c.name for c in contract.columns if c.missing or c.name == contract.time]
        super().__init__(field_types(contract), {*optional, contract.id}, max_rows)

    def parse(self, body: bytes) -> tuple[list[Row], bool]:
        """One JSON object or an array of them → (rows, whether it was one object).

        Moments are texts in one form, naive UTC as `datetime.isoformat` writes it: each reader of
        the journal can read it, and it sorts by time.

        Raises:
            RefusedError: not JSON, too many rows, or not valid for the contract.
        """
        rows, single = super().parse(body)
        if self._contract.time is not None:
            _fill_time(rows, self._contract.time)
            if self._max_days_ahead is not None:
                self._refuse_future(rows, self._contract.time, self._max_days_ahead, single)
        return rows, single

    def check(self, row: object) -> Row:
        """A row of the journal as `parse` gives it; its time column is neither filled nor bounded.

        Raises:
            RefusedError: it is not valid for the contract.
        """
        rows, _ = super().parse(json.dumps([row]).encode())
        return rows[0]

    def _refuse_future(self, rows: list[Row], time: str, days: float, single: bool) -> None:
        """Refuse rows that lie too far ahead of the clock.

        The latest rows are held out for the release gate: no client may date its own behind all
        others.
        """
        for i, row in enumerate(rows):
            if row[time] <= self._latest:
                continue
            self._latest = latest_moment(moment(), days)
            if row[time] > self._latest:
                raise _in_the_future(
                    row[time], days, ("body", time) if single else ("body", i, time)
                )

    def _allowed(self, name: str) -> str:
        column = self._contract.get(name)
        return allowed_id() if column is None else allowed(column)


def latest_moment(clock: datetime, max_days_ahead: float) -> str:
    """The latest moment that the time column may hold when a clock (with zone) shows this time."""
    try:
        latest = clock.astimezone(UTC) + timedelta(days=max_days_ahead)
    except OverflowError:
        latest = datetime.max
    return latest.replace(tzinfo=None).isoformat()


def _fill_time(rows: list[Row], time: str) -> None:
    """Give the rows without a moment the present one."""
    present: str | None = None
    for row in rows:
        if row.get(time) is None:
            present = present or _present_moment()
            row[time] = present


def _present_moment() -> str:
    return moment().replace(tzinfo=None).isoformat(timespec="milliseconds")


def _in_the_future(moment: str, days: float, loc: tuple[str | int, ...]) -> RefusedError:
    msg = (
        f'column "{loc[-1]}": {moment} lies too far ahead of the clock '
        f"(serve.max_days_ahead: {days:g})"
    )
    return refusal(422, "in_the_future", msg, loc)

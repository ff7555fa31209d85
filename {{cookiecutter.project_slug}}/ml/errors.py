"""The one exception that is a person's to mend: what is wrong, where, and the command to type next.

Everything a user can cause raises `UserError`; `ml.cli` and `ml.pipeline.stage` print it without a
traceback and exit with status 2. Any other exception is a defect of this project.
"""

from __future__ import annotations


class UserError(Exception):
    """A mistake in a file, a setting or a call, told in one sentence and followed by the next command.

    Args:
        what: file, key or column, and value, e.g. `contract.yaml: column "age": 3 of 90 values are not numbers`.
        then: the command (or edit) that mends it, e.g. `make adopt DATA=customers.csv TARGET=churned`.
    """

    def __init__(self, what: str, then: str) -> None:
        super().__init__(what)
        self.what = what
        self.then = then

    def __str__(self) -> str:
        return f"{self.what}\n  next: {self.then}"

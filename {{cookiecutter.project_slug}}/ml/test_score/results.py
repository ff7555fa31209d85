"""What the last `make test` said of a test: pytest's report in JUnit's form.

Reads: reports/tests.xml.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET  # a file that pytest has written here
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ml.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = Path("reports/tests.xml")
BAD = ("failure", "error")


@dataclass(frozen=True)
class Outcome:
    """What a test or a check came to; `at` is when, None: never."""

    passed: bool
    says: str
    at: datetime | None = None


@dataclass(frozen=True)
class Results:
    """The cases of one run of pytest.

    Args:
        at: when it began; None: there is no report.
        cases: of each case its test (`tests/x.py::test_y`) and whether it passed, None: skipped.
    """

    at: datetime | None
    cases: tuple[tuple[str, bool | None], ...]

    def of(self, test: str) -> Outcome:
        """Of a file or a function: it passed where cases of it ran and none of them failed."""
        ran = [
            passed for case, passed in self.cases if case == test or case.startswith(f"{test}::")
        ]
        passed, failed = ran.count(True), ran.count(False)
        if not passed + failed:
            says = "skipped" if ran else "no result: `make test`"
            return Outcome(False, f"{test}: {says}", self.at if ran else None)
        says = f"{failed} of {passed + failed} failed" if failed else f"{passed} passed"
        return Outcome(not failed, f"{test}: {says}", self.at)


def read_results(path: Path = RESULTS) -> Results:
    """The report; without one no test has a result.

    Raises:
        UserError: it is not a report.
    """
    if not path.is_file():
        return Results(None, ())
    try:
        root = ET.parse(path).getroot()  # noqa: S314
        suites = list(root.iter("testsuite"))
        at = min(
            (datetime.fromisoformat(suite.attrib["timestamp"]) for suite in suites), default=None
        )
        return Results(at, tuple(_cases(root)))
    except (ET.ParseError, KeyError, ValueError) as error:
        raise UserError(f"{path}: not a report of pytest: {error}", "make test") from None


def _cases(root: ET.Element) -> Iterator[tuple[str, bool | None]]:
    for case in root.iter("testcase"):
        place = case.attrib["classname"].replace(".", "/")
        name = case.attrib["name"].split("[")[0]
        failed = any(case.find(kind) is not None for kind in BAD)
        skipped = case.find("skipped") is not None
        yield f"{place}.py::{name}", None if skipped and not failed else not failed

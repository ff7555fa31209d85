"""pytest's own report is read back: what passed, failed, was skipped or never ran."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ml.errors import UserError
from ml.test_score.results import Results, read_results

CASES = """
import pytest
@pytest.mark.parametrize("n", [1, 2])
def test_sound(n): pass
@pytest.mark.parametrize("n", [1, 2])
def test_broken(n): assert n == 1
@pytest.mark.skip
def test_skipped(): pass
@pytest.fixture
def stops(): raise OSError
def test_stopped(stops): pass
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Of a real run of pytest."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_these.py").write_text(CASES)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."]
    subprocess.run(
        [*words, "--junitxml=all.xml", "tests"], cwd=folder, check=False, capture_output=True
    )
    return read_results(folder / "all.xml")


@pytest.mark.parametrize(
    ("test", "passed", "says"),
    [
        ("::test_sound", True, "2 passed"),
        ("::test_broken", False, "1 of 2 failed"),
        ("::test_skipped", False, "skipped"),
        ("::test_stopped", False, "1 of 1 failed"),
        ("::test_sou", False, "no result: `make test`"),
        ("", False, "2 of 5 failed"),
    ],
)
def test_what_a_test_came_to(results: Results, test: str, passed: bool, says: str) -> None:
    outcome = results.of(f"tests/test_these.py{test}")
    assert (outcome.passed, outcome.says) == (passed, f"tests/test_these.py{test}: {says}")
    assert (outcome.at is None) == (test == "::test_sou")


def test_without_a_report_nothing_has_a_result(tmp_path: Path) -> None:
    assert read_results(tmp_path / "none.xml") == Results(None, ())
    (tmp_path / "half.xml").write_text("<testsuites><test")
    with pytest.raises(UserError, match=r"half.xml: not a report of pytest"):
        read_results(tmp_path / "half.xml")

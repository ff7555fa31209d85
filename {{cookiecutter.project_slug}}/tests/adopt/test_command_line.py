"""The line that leaves out suspected leaks, typed as it is printed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.adopt.command_line import adopt_line, between_commas, setting
from ml.adopt.commands import adopt
from ml.adopt.infer_contract import Request
from ml.cli import _listed
from ml.contract import Datetime, load_contract

MAKEFILE = Path(__file__).parents[2] / "Makefile"
ODD = ["it's", "a,b", 'say "hi"', "$HOME", "`id`", "50 %", "a\\b", "x#y", "价格", '"q', "!!", "é;&"]
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def leaking(n: int = 300) -> pd.DataFrame:
    """Two columns, whatever they are called, give the target away alone, and two do together."""
    rng = np.random.default_rng(3)
    noise = pd.DataFrame(rng.normal(0, 1, (n, 3)).round(3), columns=["x0", "x1", "x2"])
    a, b = rng.choice(["u", "v"], (2, n))
    won = np.where((a == "u") & (b == "v"), "yes", "no")
    return noise.assign(test=won, a=a, b=b, code=np.where(won == "yes", 7.5, 3.1), won=won)


def _last_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.rstrip("\n").splitlines()[-2:]


def _typed(line: str) -> str:
    """What `make` prints for a line typed into bash, with this interpreter as `python`."""
    folder = Path("bin")
    folder.mkdir(exist_ok=True)
    (folder / "project.txt").touch()
    python = folder / "bin" / "python"
    python.parent.mkdir(exist_ok=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", line],
        env=os.environ
        | {"PYTHONPATH": str(MAKEFILE.parent), "VENV": "bin", "COLUMNS": "80"}
        | {"MAKEFILES": "", "MAKEFLAGS": "", "MAKELEVEL": "0"},  # nobody types inside of make
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_printed_line_drops_all_suspected_leaks(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    (project / "Makefile").symlink_to(MAKEFILE)
    table = leaking().rename(columns={"test": "it's, $1", "code": 'say "hi"'})
    table.insert(0, "seen", pd.date_range("2026-01-01", periods=300, freq="h").astype(str))
    Path("won or lost.csv").write_text(table.to_csv(index=False))
    adopt("won or lost.csv", target="won", time="seen", drop=["x2"], encoding="utf-8")
    above, line = _last_lines(capsys)
    assert above == "next: make flow, or first leave out what may be a leak:"
    assert line == (
        "make adopt DATA='won or lost.csv' TARGET=won TIME=seen ENCODING=utf-8"
        """ DROP='x2,"it'"'"'s, $1",a,b,"say ""hi""\"'"""
    )
    said = _typed(line)
    assert said.splitlines()[-1] == "next: make flow"
    assert "leak" not in said
    assert load_contract().names == ["seen", "x0", "x1"]


def test_without_a_suspect_no_line_is_printed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaking().to_csv("t.csv", index=False)
    adopt("t.csv", target="won", drop=["test", "a", "code"])
    assert _last_lines(capsys)[-1] == "next: make flow"


def test_columns_that_are_all_suspects_are_not_dropped(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without them nothing would be left to predict from, and adopt would refuse its own line."""
    suspects = leaking()[["test", "code", "won"]]  # equal rows: an id tells them apart
    suspects.assign(customer=[f"c{i}" for i in range(len(suspects))]).to_csv("t.csv", index=False)
    adopt("t.csv", target="won", id="customer", drop=[])
    (last,) = _last_lines(capsys)[-1:]
    assert last == (
        "next: make flow, or first DROP some columns: each that the model would see may be a leak"
    )


def test_a_contract_with_a_persons_edits_is_theirs_to_change(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaking().to_csv("t.csv", index=False)
    adopt("t.csv", target="won", drop=["a"])
    edited = Path("contract.yaml").read_text().replace("name: x0", "name: x0 # a width")
    Path("contract.yaml").write_text(edited.replace("max: ", "max: 1"))
    adopt("t.csv", target="won", drop=["a"], contract="keep")
    assert _last_lines(capsys)[-1] == (
        'next: make flow, or first move to dropped in contract.yaml: "test", "code" (leaks?)'
    )


def test_a_time_that_gives_the_target_away_still_orders_the_rows(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hour decides; TIME and DROP together make it no feature, and the split stays by time."""
    seen = pd.date_range("2026-01-01", periods=300, freq="h")
    night = np.where((seen.hour > 20) | (seen.hour < 5), "yes", "no")
    leaking().drop(columns="won")[["x0", "x1"]].assign(seen=seen.astype(str), night=night).to_csv(
        "t.csv", index=False
    )
    adopt("t.csv", target="night", time="seen", drop=[])
    line = _last_lines(capsys)[-1]
    assert line == "make adopt DATA=t.csv TARGET=night TIME=seen DROP=seen"
    adopt("t.csv", target="night", time="seen", drop=["seen"])
    assert _last_lines(capsys)[-1] == "next: make flow"
    time = load_contract().get("seen")
    assert isinstance(time, Datetime)
    assert time.parts == ()


@given(st.lists(names.map(lambda name: " ".join(name.split())).filter(bool), min_size=1))
def test_names_come_back_from_a_list_between_commas(listed: list[str]) -> None:
    assert _listed(between_commas(listed)) == listed


def test_values_come_back_from_bash() -> None:
    values = [*ODD, "red \x1b[31m", "turn \u202e it's \\"]
    line = " ".join(setting("V", value) for value in values)
    assert line.isprintable()
    said = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True, text=True
    ).stdout
    assert said.split("\0")[:-1] == [f"V={value}" for value in values]


def test_what_a_person_gave_is_repeated() -> None:
    request = Request(
        "y", None, "customer no", ("note",), "binary", ("a", "b,c"), "cp1252", 4_000_000_000, "30d"
    )
    assert adopt_line("~/t.csv", request, ["b,c", "note"]) == (
        "make adopt DATA='~/t.csv' TARGET=y ID='customer no' TASK=binary NAMES='a,\"b,c\"'"
        " ENCODING=cp1252 MATURES_AFTER=30d MAX_BYTES=4000000000 DROP='note,\"b,c\"'"
    )

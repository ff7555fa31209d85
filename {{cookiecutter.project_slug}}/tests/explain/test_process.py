"""The process that explains: lines of JSON and bytes in, the same out, until the pipe closes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from ml.explain.process import read_frame, write_frame
from ml.params import load_params
from tests.serving.conftest import CLASSIFICATION, HOME, sample_rows


def test_it_answers_refuses_and_ends_with_the_pipe(releases: Path) -> None:
    settings = {
        "explain": load_params(HOME / "params.yaml").explain.model_dump(),
        "max_days_ahead": 1,
    }
    words = [sys.executable, "-m", "ml.explain.process", orjson.dumps(settings).decode()]
    rows = sample_rows(CLASSIFICATION, 2)
    process = subprocess.Popen(words, cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(body: Any, **head: str) -> tuple[int, Any]:
        sent = {"folder": str(releases / "1"), "reference": "all", **head}
        write_frame(process.stdin, sent, json.dumps(body).encode())  # type: ignore[arg-type]
        answered = read_frame(process.stdout)  # type: ignore[arg-type]
        assert answered is not None
        return answered[0]["status"], orjson.loads(answered[1])

    status, both = ask(rows)
    assert (status, len(both)) == (200, 2)
    assert ask(rows[1]) == (200, both[1])
    status, details = ask({**rows[0], "class": "x"})
    assert status == 422
    assert 'column "class": "x" is not a whole number' in details[0]["msg"]
    assert ask(rows[0], reference="nobody")[0] == 422
    assert ask(rows[0], folder="nowhere")[0] == 500
    assert ask(rows[0], folder=str(releases / "2"))[1]["model_version"] == "2"
    process.stdin.close()
    assert process.wait(20) == 0
    process.stdout.close()


def test_a_broken_off_frame_is_the_end() -> None:
    whole = io.BytesIO()
    write_frame(whole, {"status": 200}, b"12345")
    assert read_frame(io.BytesIO(whole.getvalue())) == ({"status": 200, "bytes": 5}, b"12345")
    for length in (0, 5, len(whole.getvalue()) - 1):
        assert read_frame(io.BytesIO(whole.getvalue()[:length])) is None

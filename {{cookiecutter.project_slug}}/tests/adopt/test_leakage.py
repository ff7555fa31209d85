"""What gives the target away is named, with the option that drops it.

What is merely good is left in peace.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.adopt.infer_contract import Adopted, Request, infer_contract
from ml.adopt.source.inputs import read

N = 800


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(5)


def _adopted(frame: pd.DataFrame, folder: Path, **said: Any) -> Adopted:
    path = folder / "t.csv"
    frame.to_csv(path, index=False)
    texts, source = read([path], ("first",))
    return infer_contract("t.csv", texts, source, Request(**{"target": "y", **said}))


def _doubts(adopted: Adopted, name: str) -> str:
    return "; ".join(next(f for f in adopted.columns if f.name == name).doubts)


def _noise(rng: np.random.Generator, columns: int = 4) -> pd.DataFrame:
    return pd.DataFrame(
        rng.normal(0, 1, (N, columns)).round(4), columns=[f"x{i}" for i in range(columns)]
    )


@pytest.mark.parametrize("kind", ["number", "level", "regression"])
def test_a_column_that_is_the_target_in_disguise_is_named(
    kind: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    frame = _noise(rng)
    yes = rng.random(N) < 0.4
    if kind == "regression":
        frame["leak"] = rng.normal(0, 1, N).round(4)
        frame["y"] = (frame["leak"] * 3.7 + 2).round(4)
    else:
        frame["leak"] = (
            np.where(yes, 5, 1) + rng.random(N)
            if kind == "number"
            else np.where(yes, "shut", "open")
        )
        frame["y"] = np.where(yes, "yes", "no")
    adopted = _adopted(frame, tmp_path)
    assert "DROP=leak" in _doubts(adopted, "leak")
    assert "leak" not in _doubts(adopted, "x0")
    assert "leak" not in "".join(_adopted(frame, tmp_path, drop=("leak",)).remarks)


def test_a_good_column_is_no_leak(rng: np.random.Generator, tmp_path: Path) -> None:
    frame = _noise(rng)
    frame["y"] = np.where(rng.random(N) < 1 / (1 + np.exp(-3 * frame["x0"])), "yes", "no")
    adopted = _adopted(frame, tmp_path)
    assert all("leak" not in _doubts(adopted, f"x{i}") for i in range(4))
    assert adopted.remarks == ()


@pytest.mark.parametrize("kind", ["sum", "product", "difference of three"])
def test_columns_that_make_up_the_target_together_are_named(
    kind: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    frame = _noise(rng)
    a, b, c = rng.gamma(2, 10, (3, N)).round(2) + 1
    frame["a"], frame["b"], frame["c"] = a, b, c
    frame["y"] = {"sum": a + b, "product": (a * b).round(2), "difference of three": a + b - c}[kind]
    remarks = " ".join(_adopted(frame, tmp_path).remarks)
    named = ["a", "b", "c"] if kind == "difference of three" else ["a", "b"]
    assert all(f'"{name}"' in remarks for name in named)
    assert "together determine the target" in remarks
    assert "x0" not in remarks


def test_two_levels_that_decide_a_class_together_are_named(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    frame = _noise(rng).assign(a=rng.choice(["u", "v"], N), b=rng.choice(["u", "v"], N))
    frame["y"] = np.where((frame["a"] == "u") & (frame["b"] == "v"), "yes", "no")
    remarks = " ".join(_adopted(frame, tmp_path).remarks)
    assert '"a"' in remarks
    assert '"b"' in remarks


def test_a_noisy_sum_is_no_leak(rng: np.random.Generator, tmp_path: Path) -> None:
    frame = _noise(rng)
    frame["y"] = (frame["x0"] + frame["x1"] + 0.2 * rng.normal(0, 1, N)).round(4)
    assert "together" not in " ".join(_adopted(frame, tmp_path).remarks)


def test_an_identifier_that_orders_the_target_is_named(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    frame = _noise(rng)
    frame["y"] = np.where(np.arange(N) < 300, "yes", "no")
    frame["row_id"] = np.arange(N)
    frame = frame.sample(frac=1, random_state=1)
    assert "orders the target" in _doubts(_adopted(frame, tmp_path), "row_id")
    frame["y"] = rng.choice(["yes", "no"], N)
    assert "orders" not in _doubts(_adopted(frame, tmp_path), "row_id")


def test_rows_that_repeat_are_counted(rng: np.random.Generator, tmp_path: Path) -> None:
    frame = _noise(rng).assign(y=rng.choice(["yes", "no"], N))
    assert not _adopted(frame, tmp_path).remarks
    twice = pd.concat([frame, frame[:37]])
    (remark,) = _adopted(twice, tmp_path).remarks
    assert remark.startswith("37 rows equal another")
    assert "one side of the split" in remark
    numbered = twice.assign(row_id=np.arange(len(twice)))
    assert "both sides of the split" in " ".join(_adopted(numbered, tmp_path).remarks)


def test_a_time_that_the_split_would_ignore_is_named(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    days = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 400, N), unit="D")
    frame = _noise(rng).assign(seen=days.strftime("%Y-%m-%d"), y=rng.choice(["yes", "no"], N))
    assert "TIME=seen" in " ".join(_adopted(frame, tmp_path).remarks)
    assert "ignores time" not in " ".join(_adopted(frame, tmp_path, time="seen").remarks)
    born = frame.rename(columns={"seen": "birth_date"})
    assert "ignores time" not in " ".join(_adopted(born, tmp_path).remarks)

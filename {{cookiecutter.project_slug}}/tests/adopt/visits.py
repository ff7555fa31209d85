"""A small table of visits, and what adopt wrote of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def visits(n: int = 200, seed: int = 0, top: float = 50) -> pd.DataFrame:
    """Visits to a place that are won where the size is over 20."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0, top, n).round(1)
    return pd.DataFrame(
        {"size": size, "plan": rng.choice(["a", "b"], n), "won": np.where(size > 20, "yes", "no")}
    )


def write(name: str, frame: pd.DataFrame, sep: str = ",", encoding: str = "utf-8") -> str:
    """Write a table as CSV and return its path."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(name, index=False, sep=sep, encoding=encoding)
    return name


def state() -> dict[str, bytes]:
    """Every file that adopt writes."""
    files = [Path("contract.yaml"), Path("data/raw.dvc"), *Path("data/raw").iterdir()]
    return {str(f): f.read_bytes() for f in files}


def parts() -> list[str]:
    """Names of the parts of data/raw."""
    return sorted(p.name for p in Path("data/raw").iterdir())

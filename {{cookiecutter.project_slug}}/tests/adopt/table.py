"""A table as a person keeps it: the bytes of a file and the words that they would type."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml.adopt.infer_contract import Adopted, Request, infer_contract
from ml.adopt.source.inputs import read


@dataclass(frozen=True)
class Table:
    """A file's name, its bytes and what a person says about it."""

    file: str
    data: bytes
    said: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def adopted(self, folder: Path) -> tuple[Path, Adopted]:
        """The file on disk and what adopt understands of it."""
        path = folder / self.file
        path.write_bytes(self.data)
        texts, source = read([path], self.names)
        return path, infer_contract(str(path), texts, source, Request(**self.said))


def as_csv(frame: pd.DataFrame, **how: Any) -> bytes:
    text: str = frame.to_csv(index=False, **how)
    return text.encode(how.get("encoding", "utf-8"))


def drawn(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(name.encode()))


def yes_or_no(
    rng: np.random.Generator, score: np.ndarray[Any, Any], words: tuple[str, str] = ("no", "yes")
) -> Any:
    return np.where(rng.random(len(score)) < 1 / (1 + np.exp(-score)), words[1], words[0])

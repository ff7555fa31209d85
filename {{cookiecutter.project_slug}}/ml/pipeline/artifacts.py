"""What the stages hand to each other: where each artifact lies, how an estimator is stored.

Estimators are .skops files, because loading a pickle runs whatever it holds: skops stores what an
estimator is made of, and loads only types that are known by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml.errors import UserError

INGESTED = Path("data/ingested.parquet")
INGEST_REPORT = Path("reports/ingest.json")
VALIDATION_REPORT = Path("reports/validation.json")
TRAIN = Path("data/train.parquet")
TEST = Path("data/test.parquet")
MODELS = Path("models")
TRIALS = Path("reports/trials.json")
METRICS = Path("metrics")
EVALUATION = Path("reports/evaluate")
# the held-out rows with their predictions, for the monitor
REFERENCE = Path("data/reference.parquet")
BUNDLE = Path("bundle")
PARITY = Path("reports/parity.json")


def save_model(model: Any, path: Path) -> None:
    """Write a fitted estimator as a .skops file."""
    import skops.io

    path.parent.mkdir(parents=True, exist_ok=True)
    skops.io.dump(model, path)


def load_model(path: Path, stored_types: Sequence[str]) -> Any:
    """Read a .skops file that holds only scikit-learn's estimators and `stored_types`.

    Raises:
        UserError: the file is missing or damaged, or names another type or a function; nothing of
            it was created or called.
    """
    import skops.io

    if not path.is_file():
        raise UserError(f"{path}: no such file", "make flow")
    unlisted = _named_types(path) - set(stored_types)
    if unlisted:
        raise UserError(
            f"{path}: holds types that ml/model.py does not list: {', '.join(sorted(unlisted))}",
            "if your model needs them, add them to STORED_TYPES in ml/model.py; then make flow",
        )
    return skops.io.load(path, trusted=stored_types)


def _named_types(path: Path) -> set[str]:
    """The types that a .skops file names, but for those that skops trusts itself."""
    import skops.io

    try:
        return set(skops.io.get_untrusted_types(file=path))
    except Exception as error:  # a crafted or cut file fails anywhere: in zip, JSON or skops' nodes
        raise UserError(f"{path}: is not a stored model: {error}", "make flow") from None

"""What the stages hand to each other: where each artifact lies."""

from __future__ import annotations

from pathlib import Path

INGESTED = Path("data/ingested.parquet")
INGEST_REPORT = Path("reports/ingest.json")
VALIDATION_REPORT = Path("reports/validation.json")
TRAIN = Path("data/train.parquet")
TEST = Path("data/test.parquet")
MODELS = Path("models")
# hashes of the rows that the served model learned from, for the gate
TRAINED_ROWS = MODELS / "trained_rows.npy"
TRIALS = Path("reports/trials.json")
METRICS = Path("metrics")
CANDIDATES = METRICS / "candidates.json"
# of the model card: all but the metrics themselves
CARD_FIGURES = METRICS / "card.json"
FAIRNESS = METRICS / "fairness.json"  # figures by group
EVALUATION = Path("reports/evaluate")
# the held-out rows with their predictions, for the monitor
REFERENCE = Path("data/reference.parquet")
# some of them, encoded, that the bundle holds to explain answers with
EXPLAIN_POOL = Path("data/explain.npy")
BUNDLE = Path("bundle")
PARITY = Path("reports/parity.json")

"""The card's sections about the model and its data, and what people say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml.card import outcomes
from ml.card.document import Block, Document, Figure, Section, Table, text
from ml.card.groups import fairness
from ml.card.outcomes import CARD
from ml.card.people import answered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.card.document import Cell
    from ml.card.figures import Figures
    from ml.contract import Contract

NOT_RELEASED = "not released yet"
HASHES = {
    "git_commit": "git commit",
    "data": "data (DVC)",
    "dvc_lock": "dvc.lock",
    "bundle_hash": "bundle",
    "mlflow_run": "MLflow run",
}
MISSING_ROWS = 20  # columns with missing values that the card names


@dataclass(frozen=True)
class Subject:
    """What a card is about.

    Args:
        figures: the measured files.
        contract: what a row is.
        lineage: where the model comes from; of a model that is not released only its name.
        words: what people wrote, by the setting under `card` in params.yaml.
        windows: names of the monitored windows since the release, the oldest first; each has a file
            among the figures.
    """

    figures: Figures
    contract: Contract
    lineage: dict[str, Any]
    words: Mapping[str, str | None]
    windows: Sequence[str] = field(default_factory=tuple)

    @property
    def version(self) -> str:
        """Of the registry, or that there is none yet."""
        return str(self.lineage.get("version", NOT_RELEASED))


def document(subject: Subject) -> Document:
    """The whole card."""
    figures, contract, words = subject.figures, subject.contract, subject.words
    sections = (
        Section("The model", _model(subject)),
        Section(
            "Use",
            [
                *_asked("Intended use", words, "intended_use"),
                *_asked("Not for", words, "out_of_scope"),
                *_asked("Contact", words, "contact"),
            ],
        ),
        Section("Data", [*_data(figures), *_asked("Origin", words, "data_origin")]),
        Section("Metrics", outcomes.metrics(figures, contract)),
        Section("Calibration", outcomes.calibration(figures, contract)),
        Section("Slices", outcomes.slices(figures)),
        Section("Fairness", fairness(figures)),
        Section("Explanations", outcomes.explanations(figures, contract)),
        Section("Considerations", _asked("Harm", words, "considerations")),
        Section("Limits", [*outcomes.limits(figures), *_asked("Known", words, "known_limits")]),
        Section("Since the release", outcomes.since_release(figures, subject.windows)),
    )
    return Document(f"Model card: {subject.lineage.get('name', 'model')}", sections)


def _asked(name: str, words: Mapping[str, str | None], setting: str) -> list[Block]:
    return [text(f"{name}:"), answered(words, setting)]


def _model(subject: Subject) -> list[Block]:
    contract, lineage = subject.contract, subject.lineage
    target = contract.target
    of_classes = f": {', '.join(target.classes)}" if target.classes else ""
    rows: list[tuple[Cell, ...]] = [
        ("version", subject.version),
        ("released", str(lineage.get("released_at", NOT_RELEASED))),
        ("kind of model", str(subject.figures.at("metrics/candidates.json", "chosen"))),
        ("predicts", f"{target.name} ({target.task}{of_classes})"),
        ("from the columns", ", ".join(c.name for c in contract.columns if c.use == "feature")),
        *([("kept for audits only", ", ".join(contract.audited))] if contract.audited else []),
    ]
    known = [(words, str(lineage[name])) for name, words in HASHES.items() if lineage.get(name)]
    return [Table(("", ""), [*rows, *known])]


def _data(figures: Figures) -> list[Block]:
    def count(name: str) -> Figure:
        return figures.figure(CARD, "data", name, style="count")

    rows: list[tuple[Cell, ...]] = [
        ("rows", count("rows")),
        ("rows for training", count("training_rows")),
        ("rows held out, on which everything below is measured", count("held_out_rows")),
        ("rows left out, without an outcome", count("without_outcome")),
        ("files", count("files")),
        *_spans(figures),
    ]
    return [Table(("", ""), rows), *_missing(figures)]


def _spans(figures: Figures) -> list[tuple[Cell, ...]]:
    names = {"training_span": "training rows are of", "held_out_span": "held-out rows are of"}
    spans = {words: figures.at(CARD, "data", name) for name, words in names.items()}
    return [(words, f"{span[0]} to {span[1]} UTC") for words, span in spans.items() if span]


def _missing(figures: Figures) -> list[Block]:
    shares: dict[str, float] = figures.at(CARD, "data", "missing") or {}
    if not shares:
        return [text("No column has missing values.")]
    most = sorted(shares, key=lambda name: -shares[name])[:MISSING_ROWS]
    rows = [(name, figures.figure(CARD, "data", "missing", name, style="percent")) for name in most]
    return [Table(("column", "missing values"), rows)]

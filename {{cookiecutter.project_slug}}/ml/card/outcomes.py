"""The card's sections about what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml.card import pictures
from ml.card.document import Block, Figure, Picture, Table, text

if TYPE_CHECKING:
    from ml.card.document import Cell
    from ml.card.figures import Figures, Key
    from ml.contract import Contract

CARD = "metrics/card.json"
FAIRNESS = "metrics/fairness.json"
ESTIMATORS = {"model": "model", "linear": "linear model", "baseline": "naive answer"}
MEANING = {
    "roc_auc": "how often a row of the class scores above one that is not; 0.5 is chance",
    "average_precision": "precision, averaged over recall",
    "balanced_accuracy": "mean share of each class that is recognised",
    "accuracy": "share of rows whose class is answered",
    "log_loss": "logarithmic loss of the probabilities; lower is better",
    "brier": "mean squared error of the probabilities; lower is better",
    "r2": "share of the variance that is explained",
    "mae": "mean absolute error; lower is better",
    "rmse": "root of the mean squared error; lower is better",
}
COLUMNS = 20  # of the importance table
WINDOWS = 12  # of the table of windows since the release


def metrics(figures: Figures, contract: Contract) -> list[Block]:
    """Every metric of the model beside the linear model and the naive answer."""
    names = list(figures.at("metrics/model.json") or {})
    rows = [
        (f"{name}: {MEANING.get(name, '')}", *(_metric(figures, of, name) for of in ESTIMATORS))
        for name in names
    ]
    gate = figures.at(CARD, "summary", "metric")
    note = text(
        f"The release gate compares {gate}. In brackets: 95 % intervals over the held-out rows, "
        f"which are taken to be independent; of the model's {gate} by the bootstrap, else by each "
        "row's influence. The naive answer is the same for every row: "
        + ("the classes' shares." if contract.is_classification else "the mean.")
    )
    return [Table(("metric", *ESTIMATORS.values()), rows), note]


def _metric(figures: Figures, estimator: str, name: str) -> Cell:
    place: list[tuple[Key, ...]] = [("intervals", estimator, name, end) for end in (0, 1)]
    if estimator == "model" and name == figures.at(CARD, "summary", "metric"):
        place = [("summary", "interval_95", end) for end in ("low", "high")]
    low, high = (figures.figure(CARD, *keys) for keys in place)
    return with_interval(figures.figure(f"metrics/{estimator}.json", name), low, high)


def with_interval(value: Figure, low: Figure, high: Figure) -> Cell:
    """The value, and its interval in brackets where it has one."""
    if low.value is None or high.value is None:
        return value
    return (value, " (", low, " to ", high, ")")


def calibration(figures: Figures, contract: Contract) -> list[Block]:
    """Predicted beside observed."""
    at = ("calibration", "groups")
    groups = range(len(figures.at(CARD, *at) or []))
    rows = [
        (
            figures.figure(CARD, *at, i, "rows", style="count"),
            figures.figure(CARD, *at, i, "predicted"),
            with_interval(
                *(figures.figure(CARD, *at, i, name) for name in ("observed", "low", "high"))
            ),
        )
        for i in groups
    ]
    what = "probability" if contract.is_classification else "value"
    error = figures.figure(CARD, "calibration", "error")
    return [
        text(f"Mean distance between the predicted {what} and what came: ", error, "."),
        Picture(
            pictures.calibration(figures.at(CARD, *at) or []),
            "Predicted (across) beside observed (up), in groups of equal size, with 95 % intervals",
        ),
        Table(("rows", f"predicted {what}, mean", "observed"), rows),
    ]


def slices(figures: Figures) -> list[Block]:
    """The gate's metric for the levels of categorical and boolean columns."""
    metric = figures.at(CARD, "summary", "metric")
    listed = figures.at(CARD, "slices") or []
    if not listed:
        none = text("No slice has enough held-out rows (evaluate.slices, evaluate.min_slice_rows).")
        return [none, *worse_slices(figures)]
    rows = [
        (
            f"{each['column']} = {each['level']}",
            figures.figure(CARD, "slices", i, "rows", style="count"),
            with_interval(
                figures.figure(CARD, "slices", i, metric),
                *(figures.figure(CARD, "slices", i, "interval_95", end) for end in ("low", "high")),
            ),
        )
        for i, each in enumerate(listed)
    ]
    return [Table(("slice", "rows", str(metric)), rows), *worse_slices(figures)]


def worse_slices(figures: Figures) -> list[Block]:
    """What the search over levels and pairs of levels has named."""
    found = figures.at(FAIRNESS, "worse_slices")
    if found is None:
        return []
    if not found:
        return [
            text("No level, and no pair of levels, was found with too many wrong answers (5 %).")
        ]
    rows = [
        (
            " and ".join(f"{column} = {level}" for column, level in each["where"].items()),
            figures.figure(FAIRNESS, "worse_slices", i, "rows", style="count"),
            figures.figure(FAIRNESS, "worse_slices", i, "wrong", style="percent"),
            figures.figure(FAIRNESS, "worse_slices", i, "expected", style="percent"),
            figures.figure(FAIRNESS, "worse_slices", i, "p"),
        )
        for i, each in enumerate(found)
    ]
    return [
        text(
            "Found by a search over all levels and pairs of levels: more wrong answers than among "
            "rows that the model was as sure of. Where there is none, one run in twenty names one."
        ),
        Table(("slice", "rows", "wrong", "expected", "p"), rows),
    ]


def explanations(figures: Figures, contract: Contract) -> list[Block]:
    """Importance of the columns, and how the answer follows those that matter most."""
    listed = figures.at(CARD, "importance") or []
    curves = figures.at(CARD, "dependence") or []
    names = ("loss", "low", "high")
    rows = [
        (
            str(each["column"]),
            with_interval(*(figures.figure(CARD, "importance", i, name) for name in names)),
        )
        for i, each in enumerate(listed[:COLUMNS])
    ]
    metric = figures.at(CARD, "summary", "metric")
    return [
        text(
            f"What {metric} loses when a column's values are shuffled among the held-out rows, "
            "with 95 % intervals. It says what the model uses, not what causes the outcome."
        ),
        Picture(pictures.importance(listed), "Permutation importance, with 95 % intervals"),
        Table(("column", f"loss of {metric}"), rows),
        *[Picture(pictures.dependence(curve), _of_curve(curve, contract)) for curve in curves],
    ]


def _of_curve(curve: dict[str, object], contract: Contract) -> str:
    what = f"probability of {curve['of']}" if curve["of"] else contract.target.name
    return f"Mean answer ({what}) when {curve['column']} has the same value in all rows"


def limits(figures: Figures) -> list[Block]:
    """What the figures above cannot say."""
    rows = figures.figure(CARD, "data", "held_out_rows", style="count")
    return [
        text("Everything above is measured on ", rows, " rows and holds for rows like them."),
        text(
            "Intervals are of the rows that happened to be held out; they say nothing of a world "
            "that changes. Rows that depend on each other make them too narrow."
        ),
    ]


def since_release(figures: Figures, windows: Sequence[str]) -> list[Block]:
    """What the monitor has said of this version."""
    if not windows:
        return [text("No window of this version has been monitored yet (make monitor).")]
    files = [f"reports/monitoring/{name}/verdict.json" for name in windows[-WINDOWS:]]
    rows = [
        (
            name,
            figures.figure(file, "rows", style="count"),
            str(figures.at(file, "verdict")),
            figures.figure(file, "performance", "value"),
            figures.figure(file, "performance", "reference"),
            str(_most_shifted(figures, file)),
        )
        for name, file in zip(windows[-WINDOWS:], files, strict=True)
    ]
    metric = figures.at(files[-1], "performance", "metric") or "metric by outcomes"
    header = ("window", "rows", "verdict", str(metric), "before the release", "moved most")
    return [Table(header, rows)]


def _most_shifted(figures: Figures, file: str) -> str:
    columns: dict[str, dict[str, float]] = figures.at(file, "columns") or {}
    return max(columns, key=lambda name: columns[name]["psi"]) if columns else "-"

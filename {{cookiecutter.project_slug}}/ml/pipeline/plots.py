"""What `dvc plots` shows of an evaluation: images (matplotlib, no display needed) and data as CSV.

dvc.yaml names the folder of the images and each of the CSV files. DVC complains about one that is
missing, so all are written for every task; those that a task does not have hold a header alone.
"""

from __future__ import annotations

import csv
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ml.contract import Contract

    Points = tuple[NDArray[Any], NDArray[Any]]  # x, y

BINS = 10
POINTS = 5000  # of a scatter; more is a blot
CURVE_POINTS = 1000  # of a curve that DVC's page draws
BARS = 20
COUNTED_CLASSES = 12  # with more, the counts do not fit into the picture
BLUE = "#3b6ea5"


def draw(
    folder: Path,
    y: NDArray[Any],
    answer: NDArray[Any],
    contract: Contract,
    importance: dict[str, float],
) -> None:
    """Write importance.png and, by task, confusion.png, roc.png, reliability.png, residuals.png."""
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / "importance.png", lambda axes: _bars(axes, importance))
    if not contract.is_classification:
        name, value = contract.target.name, answer[:, 0]
        _save(folder / "residuals.png", lambda axes: _draw_residuals(axes, y, value, name))
        return
    _save(folder / "confusion.png", lambda axes: _draw_confusion(axes, y, answer, contract))
    if contract.target.task == "binary":
        _save(folder / "roc.png", lambda axes: _draw_roc(axes, y, answer[:, 1]))
        _save(folder / "reliability.png", lambda axes: _draw_reliability(axes, y, answer[:, 1]))


def write_data(
    folder: Path,
    y: NDArray[Any],
    answer: NDArray[Any],
    contract: Contract,
    importance: dict[str, float],
) -> None:
    """Write importance.csv, roc.csv (points of a binary target) and residuals.csv (of numbers)."""
    binary = contract.target.task == "binary"
    roc = _thinned(roc_points(y, answer[:, 1]), CURVE_POINTS) if binary else ((), ())
    residual = ((), ()) if contract.is_classification else residuals(y, answer[:, 0])
    losses = (importance.keys(), importance.values())
    _write_csv(folder / "importance.csv", ("column", "loss"), losses)
    _write_csv(folder / "roc.csv", ("false_positive_rate", "true_positive_rate"), roc)
    _write_csv(folder / "residuals.csv", ("predicted", "residual"), residual)


def _write_csv(
    path: Path, header: tuple[str, str], columns: tuple[Iterable[Any], Iterable[Any]]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(zip(*columns, strict=True))


def roc_points(y: NDArray[Any], positive: NDArray[Any]) -> Points:
    """False and true positive rates over all thresholds."""
    from sklearn.metrics import roc_curve

    false_positive, true_positive, _ = roc_curve(y, positive)
    return false_positive, true_positive


def reliability(y: NDArray[Any], positive: NDArray[Any]) -> Points:
    """Mean predicted probability and share that came true, in groups of equal size."""
    edges = np.unique(np.quantile(positive, np.linspace(0, 1, BINS + 1)))
    bins = np.clip(np.searchsorted(edges, positive, side="right") - 1, 0, max(len(edges) - 2, 0))
    groups = [bins == b for b in np.unique(bins)]
    return (
        np.array([positive[rows].mean() for rows in groups]),
        np.array([y[rows].mean() for rows in groups]),
    )


def residuals(y: NDArray[Any], value: NDArray[Any]) -> Points:
    """Predicted value and true minus predicted, of some rows where there are many."""
    rows = np.random.default_rng(0).permutation(len(y))[:POINTS]
    return value[rows], (y - value)[rows]


def _thinned(points: Points, at_most: int) -> Points:
    """So many of the points, evenly chosen; the first and the last among them."""
    x, y = points
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), at_most)).round().astype(int))
    return x[chosen], y[chosen]


def _save(path: Path, plot: Any) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # names of columns and classes are anybody's: a $ begins no formula, a letter without a glyph is
    # a box
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        figure = Figure(figsize=(6, 4.5), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        plot(axes)
        figure.savefig(path)


def _bars(axes: Axes, importance: dict[str, float]) -> None:
    names = list(importance)[:BARS][::-1]
    axes.barh([_plain(name) for name in names], [importance[name] for name in names], color=BLUE)
    axes.set(
        title="Permutation importance", xlabel="loss of the metric when the column is shuffled"
    )


def _plain(name: str) -> str:
    """Matplotlib reads $…$ as mathematics; a column's name is not."""
    return name.replace("$", r"\$")[:40]


def _draw_confusion(axes: Axes, y: NDArray[Any], answer: NDArray[Any], contract: Contract) -> None:
    classes = [_plain(name) for name in contract.target.classes]
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (y, answer.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=45 if len(classes) > 4 else 0)
    axes.set_yticks(range(len(classes)), classes)
    axes.set(title="Confusion (rows: truth)", xlabel="predicted", ylabel="true")
    if len(classes) <= COUNTED_CLASSES:
        _write_counts(axes, counts)


def _write_counts(axes: Axes, counts: NDArray[np.int_]) -> None:
    """Each cell's count, white where the cell is dark."""
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if count > counts[row].sum() / 2 else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=color)


def _draw_roc(axes: Axes, y: NDArray[Any], positive: NDArray[Any]) -> None:
    from sklearn.metrics import roc_auc_score

    auc = roc_auc_score(y, positive)
    axes.plot(*roc_points(y, positive), color=BLUE, label=f"model, AUC {auc:.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    axes.set(title="ROC, held-out rows", xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(frameon=False)


def _draw_reliability(axes: Axes, y: NDArray[Any], positive: NDArray[Any]) -> None:
    predicted, observed = reliability(y, positive)
    groups = f"{len(predicted)} groups of equal size"
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfectly calibrated")
    axes.plot(predicted, observed, marker="o", color=BLUE, label=groups)
    axes.set(
        title="Reliability, held-out rows",
        xlabel="predicted probability",
        ylabel="share that came true",
    )
    axes.legend(frameon=False)


def _draw_residuals(axes: Axes, y: NDArray[Any], value: NDArray[Any], target: str) -> None:
    predicted, residual = residuals(y, value)
    axes.scatter(predicted, residual, s=6, alpha=0.3, color=BLUE, edgecolors="none")
    axes.axhline(0, color="grey", linestyle=":")
    axes.set(
        title="Residuals, held-out rows",
        xlabel=f"predicted {_plain(target)}",
        ylabel="true minus predicted",
    )

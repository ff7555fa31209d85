"""What `dvc plots` shows of an evaluation: images (matplotlib, no display needed) and data as CSV.

dvc.yaml names the folder of the images and each of the CSV files. DVC complains about one that is
missing, so all are written for every task; those that a task does not have hold a header alone.
"""

from __future__ import annotations

import csv
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ml.atomic import staged, write_text
from ml.card import pictures
from ml.metrics import roc_area, threshold_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.pipeline.evaluation.importance import Importance

    Points = tuple[NDArray[Any], NDArray[Any]]  # x, y
    Plot = Callable[[Axes], None]
    Table = tuple[tuple[str, str], Iterable[tuple[Any, Any]]]  # header, rows

BINS = 10
POINTS = 5000  # of a scatter; more is a blot
CURVE_POINTS = 1000  # of a curve; more cannot be told apart
BARS = 20
COUNTED_CLASSES = 12  # with more, the counts do not fit into the picture
BLUE = "#3b6ea5"


class Evaluation(NamedTuple):
    """What is plotted."""

    y: NDArray[Any]  # (n,) class codes or values
    answer: NDArray[Any]  # the model's answer matrix for the n rows
    contract: Contract
    importance: dict[str, Importance]  # by column, highest first
    dependence: Sequence[dict[str, Any]] = ()  # curves of the columns that matter most

    @property
    def is_binary(self) -> bool:
        """Whether there is one probability to plot: the last class's."""
        return self.contract.target.task == "binary"

    @property
    def truth_and_answer(self) -> Points:
        """True and predicted values, or codes and probabilities of the last of two classes."""
        return self.y, self.answer[:, 1 if self.is_binary else 0]


def write_plots(folder: Path, evaluation: Evaluation) -> None:
    """Write the images and the CSV files of an evaluation."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for name, plot in _images(evaluation).items():
        _save(images / name, plot)
    for name, table in _tables(evaluation).items():
        _write_csv(folder / name, table)
    write_text(images / "dependence.svg", pictures.dependences(evaluation.dependence))


def _images(e: Evaluation) -> dict[str, Plot]:
    """What draws each image that the task has."""
    images: dict[str, Plot] = {"importance.png": lambda axes: _bars(axes, e.importance)}
    if not e.contract.is_classification:
        images["residuals.png"] = lambda axes: _draw_residuals(axes, e)
        return images
    images["confusion.png"] = lambda axes: _draw_confusion(axes, e)
    if e.is_binary:
        images["roc.png"] = lambda axes: _draw_roc(axes, *e.truth_and_answer)
        images["reliability.png"] = lambda axes: _draw_reliability(axes, *e.truth_and_answer)
    return images


def _tables(e: Evaluation) -> dict[str, Table]:
    """Header and rows of each CSV file; no rows where the task has no such plot."""
    return {
        "importance.csv": (
            ("column", "loss"),
            ((name, of.loss) for name, of in e.importance.items()),
        ),
        "roc.csv": (("false_positive_rate", "true_positive_rate"), _curve(e)),
        "residuals.csv": (("predicted", "residual"), _residual_rows(e)),
    }


def _losses(e: Evaluation) -> Iterable[tuple[Any, Any]]:
    return ((name, of.loss) for name, of in e.importance.items())


def _curve(e: Evaluation) -> Iterable[tuple[Any, Any]]:
    if not e.is_binary:
        return ()
    return zip(*_thinned(roc_points(*e.truth_and_answer), CURVE_POINTS), strict=True)


def _residual_rows(e: Evaluation) -> Iterable[tuple[Any, Any]]:
    return () if e.contract.is_classification else zip(*residuals(*e.truth_and_answer), strict=True)


def _write_csv(path: Path, table: Table) -> None:
    header, rows = table
    with staged(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def roc_points(y: NDArray[Any], positive: NDArray[Any]) -> Points:
    """False and true positive rates over all thresholds."""
    right, wrong = threshold_counts(y == 1, positive)
    return np.r_[0, wrong] / wrong[-1], np.r_[0, right] / right[-1]


def reliability(y: NDArray[Any], positive: NDArray[Any]) -> Points:
    """Mean predicted probability and share that came true, in groups of equal size."""
    groups = _equal_groups(positive)
    return _means(positive, groups), _means(y, groups)


def _means(values: NDArray[Any], groups: list[NDArray[np.bool_]]) -> NDArray[Any]:
    return np.array([values[rows].mean() for rows in groups])


def _equal_groups(values: NDArray[Any]) -> list[NDArray[np.bool_]]:
    """Masks of groups of equal size, the group of the lowest values first."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)))
    bins = np.searchsorted(edges, values, side="right") - 1
    bins = bins.clip(0, max(len(edges) - 2, 0))
    return [bins == b for b in np.unique(bins)]


def residuals(y: NDArray[Any], value: NDArray[Any]) -> Points:
    """Predicted value and true minus predicted, of some rows where there are many."""
    rows = np.random.default_rng(0).permutation(len(y))[:POINTS]
    return value[rows], (y - value)[rows]


def _thinned(points: Points, at_most: int) -> Points:
    """So many of the points, evenly chosen; the first and the last among them."""
    x, y = points
    n = len(x)
    chosen = np.unique(np.linspace(0, n - 1, min(n, at_most)).round().astype(int))
    return x[chosen], y[chosen]


def confusion(y: NDArray[Any], answer: NDArray[Any]) -> NDArray[np.int_]:
    """Rows counted by their class (rows of the result) and their predicted class (columns)."""
    classes = answer.shape[1]
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (y, answer.argmax(axis=1)), 1)
    return counts


def _save(path: Path, plot: Plot) -> None:
    import matplotlib as mpl

    # names of columns and classes are anybody's: a $ begins no formula, a letter without a glyph is
    # a box
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        figure = _figure()
        plot(figure.axes[0])
        with staged(path) as draft:
            figure.savefig(draft, format=path.suffix[1:])


def _figure() -> Figure:
    """A figure with one empty pair of axes; it needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _bars(axes: Axes, importance: dict[str, Importance]) -> None:
    names = list(importance)[:BARS][::-1]
    losses = [importance[name].loss for name in names]
    reach = [importance[name].high - importance[name].loss for name in names]
    axes.barh([_plain(name) for name in names], losses, xerr=reach, color=BLUE, ecolor="grey")
    axes.set(
        title="Permutation importance (95 %)",
        xlabel="loss of the metric when the column is shuffled",
    )


def _plain(name: str) -> str:
    """Matplotlib reads $…$ as mathematics; a column's name is not."""
    return name.replace("$", r"\$")[:40]


def _draw_confusion(axes: Axes, e: Evaluation) -> None:
    counts = confusion(e.y, e.answer)
    axes.imshow(_row_shares(counts), cmap="Blues", vmin=0, vmax=1)
    _name_ticks(axes, [_plain(name) for name in e.contract.target.classes])
    axes.set(title="Confusion (rows: truth)", xlabel="predicted", ylabel="true")
    if len(counts) <= COUNTED_CLASSES:
        _write_counts(axes, counts)


def _row_shares(counts: NDArray[np.int_]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _name_ticks(axes: Axes, classes: list[str]) -> None:
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=45 if len(classes) > 4 else 0)
    axes.set_yticks(places, classes)


def _write_counts(axes: Axes, counts: NDArray[np.int_]) -> None:
    """Each cell's count, white where the cell is dark."""
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if count > counts[row].sum() / 2 else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=color)


def _draw_roc(axes: Axes, y: NDArray[Any], positive: NDArray[Any]) -> None:
    auc = roc_area(y == 1, positive)
    points = _thinned(roc_points(y, positive), CURVE_POINTS)
    axes.plot(*points, color=BLUE, label=f"model, AUC {auc:.3f}")
    _draw_diagonal(axes, "chance")
    _caption(axes, "ROC, held-out rows", "false positive rate", "true positive rate")


def _draw_reliability(axes: Axes, y: NDArray[Any], positive: NDArray[Any]) -> None:
    predicted, observed = reliability(y, positive)
    groups = f"{len(predicted)} groups of equal size"
    _draw_diagonal(axes, "perfectly calibrated")
    axes.plot(predicted, observed, marker="o", color=BLUE, label=groups)
    _caption(axes, "Reliability, held-out rows", "predicted probability", "share that came true")


def _caption(axes: Axes, title: str, xlabel: str, ylabel: str) -> None:
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.legend(frameon=False)


def _draw_diagonal(axes: Axes, label: str) -> None:
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label=label)


def _draw_residuals(axes: Axes, e: Evaluation) -> None:
    predicted, residual = residuals(*e.truth_and_answer)
    axes.scatter(predicted, residual, s=6, alpha=0.3, color=BLUE, edgecolors="none")
    axes.axhline(0, color="grey", linestyle=":")
    axes.set(
        title="Residuals, held-out rows",
        xlabel=f"predicted {_plain(e.contract.target.name)}",
        ylabel="true minus predicted",
    )

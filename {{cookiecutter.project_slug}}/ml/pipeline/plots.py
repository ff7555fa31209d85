"""Pictures of an evaluation: what one would rather look at than read. Matplotlib, PNG, no display needed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ml.contract import Contract

BINS = 10
POINTS = 5000  # a scatter of more is a blot


def draw(
    folder: Path,
    y: NDArray[Any],
    answer: NDArray[Any],
    contract: Contract,
    importance: dict[str, float],
) -> None:
    """Write importance.png, and confusion.png, roc.png and reliability.png or residuals.png by task."""
    _save(folder / "importance.png", lambda axes: _bars(axes, importance))
    if not contract.is_classification:
        _save(
            folder / "residuals.png",
            lambda axes: _residuals(axes, y, answer[:, 0], contract.target.name),
        )
        return
    _save(folder / "confusion.png", lambda axes: _confusion(axes, y, answer, contract))
    if contract.target.task == "binary":
        _save(folder / "roc.png", lambda axes: _roc(axes, y, answer[:, 1]))
        _save(folder / "reliability.png", lambda axes: _reliability(axes, y, answer[:, 1]))


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
    names = list(importance)[:20][::-1]
    axes.barh(
        [_plain(name) for name in names], [importance[name] for name in names], color="#3b6ea5"
    )
    axes.set(
        title="Permutation importance", xlabel="loss of the metric when the column is shuffled"
    )


def _plain(name: str) -> str:
    """Matplotlib reads $…$ as mathematics; a column's name is not."""
    return name.replace("$", r"\$")[:40]


def _confusion(axes: Axes, y: NDArray[Any], answer: NDArray[Any], contract: Contract) -> None:
    classes = contract.target.classes
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (y, answer.argmax(axis=1)), 1)
    axes.imshow(
        counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1
    )
    ticks = range(len(classes))
    axes.set_xticks(
        ticks, [_plain(name) for name in classes], rotation=45 if len(classes) > 4 else 0
    )
    axes.set_yticks(ticks, [_plain(name) for name in classes])
    axes.set(title="Confusion (rows: truth)", xlabel="predicted", ylabel="true")
    if len(classes) <= 12:
        for (row, column), count in np.ndenumerate(counts):
            dark = count > counts[row].sum() / 2
            axes.text(
                column,
                row,
                f"{count:,}",
                ha="center",
                va="center",
                color="white" if dark else "black",
            )


def _roc(axes: Axes, y: NDArray[Any], positive: NDArray[Any]) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    false_positive, true_positive, _ = roc_curve(y, positive)
    axes.plot(
        false_positive,
        true_positive,
        color="#3b6ea5",
        label=f"model, AUC {roc_auc_score(y, positive):.3f}",
    )
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    axes.set(title="ROC, held-out rows", xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(frameon=False)


def _reliability(axes: Axes, y: NDArray[Any], positive: NDArray[Any]) -> None:
    edges = np.unique(np.quantile(positive, np.linspace(0, 1, BINS + 1)))
    bins = np.clip(np.searchsorted(edges, positive, side="right") - 1, 0, max(len(edges) - 2, 0))
    said = [positive[bins == b].mean() for b in np.unique(bins)]
    came = [y[bins == b].mean() for b in np.unique(bins)]
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfectly calibrated")
    axes.plot(said, came, marker="o", color="#3b6ea5", label=f"{len(said)} groups of equal size")
    axes.set(
        title="Reliability, held-out rows",
        xlabel="predicted probability",
        ylabel="share that came true",
    )
    axes.legend(frameon=False)


def _residuals(axes: Axes, y: NDArray[Any], value: NDArray[Any], target: str) -> None:
    rows = np.random.default_rng(0).permutation(len(y))[:POINTS]
    axes.scatter(value[rows], (y - value)[rows], s=6, alpha=0.3, color="#3b6ea5", edgecolors="none")
    axes.axhline(0, color="grey", linestyle=":")
    axes.set(
        title="Residuals, held-out rows",
        xlabel=f"predicted {_plain(target)}",
        ylabel="true minus predicted",
    )

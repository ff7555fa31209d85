"""The rules that compare a challenger with the champion, each a pure function of a `Comparison`.

The gain has to be shown: its lower limit counts. The others refuse where harm beyond their margin
is shown, at the same 95 % of confidence. Each has its setting in params.yaml (release) and returns
None where that switches it off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.release.gate.decision import Check
from ml.statistics.metric_loss import metric_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.params import Monitor, Release
    from ml.release.gate.comparison import Comparison
    from ml.statistics.metric_loss import Reference

    Floats = NDArray[np.float64]

ENOUGH = "enough fresh rows"
NOT_WORSE = "not worse than the champion"
BETTER = "better than the champion"
QUIET = "no alarm in service"
FLIPS = "answers that flip"
MOVED = 0.5  # standard deviations of the target from which a number's answer counts as another


def enough_rows(compared: Comparison, release: Release) -> Check:
    """Are there as many fresh rows as `release.min_rows` asks for, and do they define the metric?

    0 switches the first question off.
    """
    rows, (by_challenger, by_champion) = len(compared), compared.left_out
    figures = f"{rows:,} rows that neither was trained on, needs {release.min_rows:,}"
    if by_challenger or by_champion:
        figures += f" (left out: {by_champion:,} of the champion's, {by_challenger:,} of its own)"
    values = {
        "rows": rows,
        "needed": release.min_rows,
        "trained_on_by_champion": by_champion,
        "trained_on_by_challenger": by_challenger,
    }
    if rows < max(release.min_rows, 2):
        then = (
            "add rows with their outcomes (make adopt DATA=…, make retrain), then make flow "
            "release; or lower release.min_rows in params.yaml"
        )
        return Check(ENOUGH, False, figures, values, then)
    if np.isnan(compared.gain.error + compared.gain.value):
        figures = f"{compared.metric} is undefined on {rows:,} rows: their outcomes are all equal"
        return Check(ENOUGH, False, figures, values, "add rows with other outcomes")
    return Check(ENOUGH, True, figures, values)


def not_worse(compared: Comparison, monitor: Monitor) -> Check:
    """Is the loss of the metric surely no larger than the monitor tolerates?

    Non-inferiority: the lower one-sided 95 % limit of the gain lies above minus `monitor.max_loss`
    (1 or more switches it off).
    """
    gain, margin = compared.gain, monitor.max_loss
    figures = (
        f"{compared.metric} {gain.challenger:.4f}, champion {gain.champion:.4f} on the same "
        f"{gain.rows:,} rows: {gain.value:+.4f}, at least {gain.at_least:+.4f} with "
        f"{_confidence(compared)}; may lose {margin:g}"
    )
    values = {
        "metric": compared.metric,
        "challenger": gain.challenger,
        "champion": gain.champion,
        "gain": gain.value,
        "gain_at_least": gain.at_least,
        "gain_at_most": gain.at_most,
        "max_loss": margin,
        "variance_inflation": compared.inflation[0],
    }
    then = (
        "make ui shows both models' runs; "
        + "more held-out rows make the limit tighter (split.test_share, or more data)"
    )
    return Check(NOT_WORSE, gain.at_least >= -margin, figures, values, then)


def _confidence(compared: Comparison) -> str:
    """In words; the best of several models has to show more."""
    of_several = f" as the best of {compared.tried}" if compared.tried > 1 else ""
    return f"{1 - compared.gain.alpha:.3g} confidence{of_several}".replace("0.95", "95 %")


def better(compared: Comparison, release: Release, *, decayed: bool = False) -> Check | None:
    """Is the gain surely larger than `release.min_gain`? null: it need not be.

    Where outcomes have shown that the champion got worse, `release.min_gain_after_decay` is asked
    for; without one a gain on the rows is enough: the loss of the champion was the proof.
    """
    if release.min_gain is None:
        return None
    if decayed and release.min_gain_after_decay is None:
        return _gains_after_decay(compared)
    gain, needed = compared.gain, release.min_gain
    if decayed and release.min_gain_after_decay is not None:
        needed = release.min_gain_after_decay
    figures = f"gains at least {gain.at_least:+.4f}, needs more than {needed:g}"
    values = {"gain_at_least": gain.at_least, "min_gain": needed}
    then = "`min_gain: null` in params.yaml (release) promotes what is merely not worse"
    return Check(BETTER, gain.at_least > needed, figures, values, then)


def _gains_after_decay(compared: Comparison) -> Check:
    gain = compared.gain
    figures = f"gains {gain.value:+.4f}; the champion's loss is proven, so any gain is enough"
    values = {"gain": gain.value, "gain_at_least": gain.at_least, "decayed": True}
    then = "the champion stays; new rows make another challenger"
    return Check(BETTER, gain.value > 0, figures, values, then)


def quiet(compared: Comparison, release: Release, monitor: Monitor) -> Check | None:
    """Would the monitor stay quiet about its loss if the challenger answered everything?

    The monitor's own rule for decay, with the fresh rows as the window and the champion's held-out
    rows as the reference. Where the champion itself would raise the alarm on the same rows, the
    challenger may too. `release.may_alarm: true` switches it off.
    """
    reference = compared.reference
    if release.may_alarm or reference is None:
        return None
    loss = metric_loss(compared.y, compared.challenger, reference, monitor.false_alarm)
    if loss is None:
        return Check(QUIET, True, "too few rows for the monitor to judge", {"judged": False})
    would_alarm = loss.loss_low > monitor.max_loss
    champion_too = would_alarm and _alarms(compared, reference, monitor)
    figures = (
        f"{compared.metric} would fall by {loss.loss:.4f} from the champion's release, at least "
        f"by {loss.loss_low:.4f}; {monitor.max_loss:g} is tolerated"
    )
    figures += "; the champion itself alarms on these rows" if champion_too else ""
    values = {
        "loss": loss.loss,
        "loss_at_least": loss.loss_low,
        "max_loss": monitor.max_loss,
        "champion_alarms_too": champion_too,
    }
    then = "make monitor says what changed; `may_alarm: true` (release) switches the rule off"
    return Check(QUIET, champion_too or not would_alarm, figures, values, then)


def _alarms(compared: Comparison, reference: Reference, monitor: Monitor) -> bool:
    """Whether the champion itself raises the alarm on the fresh rows."""
    loss = metric_loss(compared.y, compared.champion, reference, monitor.false_alarm)
    return loss is not None and loss.loss_low > monitor.max_loss


def flips(compared: Comparison, release: Release) -> Check:
    """Which share of the rows gets another answer? `release.max_flips` bounds it; null: reported.

    Another class, or a number that moves by more than half a standard deviation of the target.
    """
    flipped = _flipped(compared)
    share, most = float(flipped.mean()), release.max_flips
    values: dict[str, float | None] = {"flipped": share, "max_flips": most}
    figures = f"{share:.1%} of the answers"
    if compared.contract.is_classification:
        right = compared.champion.argmax(axis=1) == compared.y
        values["right_before"] = float((flipped & right).mean())
        figures += f", {values['right_before']:.1%} were right"
    figures += "; not bounded" if most is None else f"; {most:.1%} may"
    then = "raise release.max_flips in params.yaml; null: any share may"
    return Check(FLIPS, most is None or share <= most, figures, values, then)


def _flipped(compared: Comparison) -> NDArray[np.bool_]:
    ours, theirs = compared.challenger, compared.champion
    if compared.contract.is_classification:
        return np.asarray(ours.argmax(axis=1) != theirs.argmax(axis=1))
    return np.asarray(np.abs(ours - theirs)[:, 0] > MOVED * compared.y.std())

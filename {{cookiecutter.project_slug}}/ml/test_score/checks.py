"""What this project's last runs say of its data and its model, for the ML Test Score.

Reads: ledger.jsonl, reports/validation.json, metrics/, serving/champion/model.json, params.yaml,
reports/monitoring, reports/replay, git. Each check reads what a command has left; none of them runs
one. Where nothing was left it has not passed.
"""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.bundle import ABOUT_FILE, CHAMPION
from ml.ledger import chain
from ml.params import load_params
from ml.test_score.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

GATE = "gate: "  # and the name of a rule
VALIDATION, METRICS = Path("reports/validation.json"), Path("metrics")
REPLAY = Path("reports/replay/replay.json")
SPECIFICATION = ("ml/model.py", "params.yaml", "contract.yaml")


def check(name: str) -> Outcome:
    """The outcome of a check by its name."""
    if name.startswith(GATE):
        return _rule(name.removeprefix(GATE))
    return CHECKS[name]()


def _promoted() -> chain.Entry | None:
    """The decision that made the champion; a rollback went back to one that had passed."""
    moves = (chain.PROMOTE, chain.APPROVE)
    return next((e for e in reversed(chain.entries()) if e.action in moves), None)


def _passed_gate() -> Outcome:
    entry = _promoted()
    if entry is None:
        return Outcome(False, "no version was promoted yet: `make release`")
    rules = _rules(entry)
    passed = bool(rules) and all(rule["passed"] for rule in rules.values())
    return Outcome(passed, f"ledger line {entry.number}: {len(rules)} rules", entry.moment)


def _rule(name: str) -> Outcome:
    """A rule of the gate, as it was when the champion was promoted."""
    entry = _promoted()
    rule = _rules(entry).get(name) if entry else None
    # a rule on slices or groups passes, too, where none has enough rows
    if entry is None or rule is None or 0 in (rule.get("slices"), rule.get("pairs")):
        return Outcome(False, f"the gate's rule `{name}` was off, or had nothing to compare")
    says = f"ledger line {entry.number}: the gate's rule `{name}`"
    return Outcome(rule["passed"], says, entry.moment)


def _rules(entry: chain.Entry) -> dict[str, dict[str, Any]]:
    """The figures of the gate's rules by their names."""
    rules: dict[str, dict[str, Any]] = entry.evidence.get("gate", {}).get("checks", {})
    return rules


def _data_kept_contract() -> Outcome:
    if not VALIDATION.is_file():
        return Outcome(False, f"{VALIDATION}: not written yet: `make flow`")
    found = len(_json(VALIDATION)["findings"])
    return Outcome(not found, f"{VALIDATION}: {found} findings", _written(VALIDATION))


def _every_feature_is_of_use() -> Outcome:
    """Shuffling a feature makes the held-out rows' metric worse."""
    about = CHAMPION / ABOUT_FILE
    losses: dict[str, float] = _json(about).get("importance", {}) if about.is_file() else {}
    if not losses:
        return Outcome(False, "no importance is known: `make release`")
    useless = sum(loss <= 0 for loss in losses.values())
    says = f"{len(losses) - useless} of {len(losses)} features: shuffled, the metric gets worse"
    return Outcome(not useless, says, _written(about))


def _no_simpler_is_better() -> Outcome:
    files = [METRICS / f"{name}.json" for name in ("model", "linear", "baseline")]
    about = CHAMPION / ABOUT_FILE
    if not all(path.is_file() for path in [*files, about]):
        return Outcome(False, "nothing to compare yet: `make flow`, `make release`")
    metric = _json(about)["metric"]
    ours, *simpler = (_json(path).get(metric) for path in files)
    known = [value for value in simpler if value is not None]
    shown = ", ".join(f"{value:.4f}" for value in known)
    passed = ours is not None and bool(known) and ours >= max(known)
    said = f"{metric} {ours:.4f}" if ours is not None else f"{metric} is not defined"
    return Outcome(passed, f"{said}; simpler models: {shown}", _written(files[0]))


def _settings_are_searched() -> Outcome:
    trials, path = load_params().train.search.trials, METRICS / "candidates.json"
    if not trials or not path.is_file():
        return Outcome(False, f"params.yaml: train.search.trials is {trials}")
    return Outcome(True, f"params.yaml: train.search.trials is {trials}", _written(path))


def _replayed() -> Outcome:
    if not REPLAY.is_file():
        return Outcome(False, f"{REPLAY}: not written yet: `make loop`")
    return Outcome(
        True, f"{REPLAY}: the champion beside one that was never retrained", _written(REPLAY)
    )


def _reviewed() -> Outcome:
    """The specification's last commit says who reviewed it; nothing is changed since."""
    changed = _git("status", "--porcelain", "--", *SPECIFICATION)
    line = _git(
        "log", "-1", "--format=%cI %(trailers:key=Reviewed-by,separator=%x2C)", "--", *SPECIFICATION
    )
    moment, _, reviewer = (line or "").partition(" ")
    if changed or not reviewer.strip():
        return Outcome(
            False, f"git: no `Reviewed-by:` in the last commit of {', '.join(SPECIFICATION)}"
        )
    return Outcome(True, f"git: {reviewer.strip()}", datetime.fromisoformat(moment))


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _monitor_judges() -> Outcome:
    from ml.monitoring import history
    from ml.monitoring.monitor import REPORTS

    latest = next(reversed(history.verdicts(REPORTS)), None)
    if latest is None:
        return Outcome(False, "no verdict yet: `make monitor`")
    at = datetime.fromtimestamp(latest.judged_at, UTC)
    return Outcome(
        latest.verdict != "insufficient", f"verdict {latest.verdict}, {latest.window}", at
    )


def _json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


CHECKS: dict[str, Callable[[], Outcome]] = {
    "the data keeps the contract": _data_kept_contract,
    "every feature is of use": _every_feature_is_of_use,
    "the model was reviewed": _reviewed,
    "settings are searched": _settings_are_searched,
    "replayed against a model that is never retrained": _replayed,
    "no simpler model is better": _no_simpler_is_better,
    "the champion passed the gate": _passed_gate,
    "the monitor judges": _monitor_judges,
}

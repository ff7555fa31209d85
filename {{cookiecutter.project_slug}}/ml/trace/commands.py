"""`ml trace <prediction-id> …`: where answers came from; `--rebuild` makes them again.

Reads: the journal, the release, the ledger; with `--rebuild` git and DVC. Writes nothing.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml.errors import SENTENCE, printable
from ml.progress import working
from ml.trace.origin import lineage_of, origin
from ml.trace.record import find

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ml.trace.rebuild import Compared
    from ml.trace.record import Found


def trace(prediction_ids: Sequence[str], *, rebuild: bool = False, as_json: bool = False) -> bool:
    """Print where answers came from; whether they could be made again.

    Args:
        prediction_ids: from the answers of the service.
        rebuild: make each version that answered again, once, and compare.
        as_json: print JSON instead of tables, a line for each answer and each version.

    Returns:
        False where `rebuild` finds a difference.

    Raises:
        UserError: there is no such prediction, or what made it cannot be had.
    """
    by_version: dict[str, list[Found]] = {}
    for prediction_id in prediction_ids:
        found = find(prediction_id)
        by_version.setdefault(found.prediction.version, []).append(found)
        known = origin(found)
        print(_line(known)) if as_json else _print_origin(known)
    if not rebuild:
        return True
    results = [_made_again(v, asked, as_json=as_json) for v, asked in by_version.items()]
    return all(results)


def _made_again(version: str, asked: list[Found], *, as_json: bool) -> bool:
    """Make a version again and print what came of it; whether nothing differs."""
    from ml.trace.rebuild import rebuild

    release = lineage_of(version)
    with working(f"version {version}") as next_step:
        compared = rebuild(asked, release, next_step)
    if as_json:
        print(_line({"version": version, "rebuilt": [_as_dict(each) for each in compared]}))
    else:
        _print_compared(compared, release)
    return all(each.same for each in compared)


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _as_dict(compared: Compared) -> dict[str, Any]:
    return {**vars(compared), "same": compared.same}


def _print_origin(known: dict[str, Any]) -> None:
    release, decision = known["release"], known["promoted_by"]
    _print_table("the answer", _answer_lines(known))
    _print_table("the version that gave it", _release_lines(release))
    if decision:
        _print_table("the decision that made it champion", _decision_lines(decision))


def _answer_lines(known: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    at = datetime.fromtimestamp(known["answered_at"], UTC)
    yield "prediction", known["prediction_id"]
    yield "at", f"{at:%Y-%m-%d %H:%M:%S} UTC, as {known['role']}"
    yield "row", _short(known["row"])
    if known["row_id"] is not None:
        yield "row id", known["row_id"]
    if known["rows_of_the_request"] > 1:
        yield "asked with", f"{known['rows_of_the_request']:,} rows in one request"
    yield "answer", _short(known["answer"])
    if known["probabilities"] is not None:
        yield "probabilities", _short(known["probabilities"])
    if known["outcome"] is not None:
        yield "outcome", _short(known["outcome"])


def _release_lines(release: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    dirty = ", and files that differ from it" if release["git_dirty"] else ""
    yield "version", f"{release['version']} of {release['name']}"
    yield "released at", release["released_at"]
    yield "git commit", f"{release['git_commit']}{dirty}"
    for name in ("mlflow_run", "bundle_hash", "data", "dvc_lock", "contract", "requirements"):
        if release.get(name):
            yield name.replace("_", " "), release[name]
    yield "parameters", f"{len(release['params'])} of params.yaml (`--json` lists them)"


def _decision_lines(decision: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    yield "ledger", f"line {decision['number']}, {decision['hash']}"
    yield "decision", f"{decision['action']} by {decision['who']} at {decision['at'][:19]}"
    yield "why", decision["why"]


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _print_table(title: str, lines: Iterable[tuple[str, Any]]) -> None:
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_header=False)
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in lines:
        drawn.add_row(name, Text(printable(str(value), SENTENCE)))
    Console().print(drawn)


def _print_compared(compared: list[Compared], release: dict[str, Any]) -> None:
    """The comparison; where something differs, also what made both."""
    from ml.trace.rebuild import environments

    different = [each for each in compared if not each.same]
    title = f"version {release['version']}, made again from commit and data"
    Console().print(_comparison(title, compared))
    if not different:
        print("the rebuilt model is the served one, and gives the same answer, byte for byte")
        return
    _print_different(different)
    made_by = [each for each in environments(release) if not each.same]
    if made_by:
        Console().print(_comparison("what made them", made_by))
    elif release["git_dirty"]:
        print("the release was made of files that differ from its commit")


def _print_different(different: list[Compared]) -> None:
    names = ", ".join(each.what for each in different)
    Console(soft_wrap=True).print(f"[bold red]differs:[/] {names}", highlight=False)


def _comparison(title: str, compared: list[Compared]) -> Table:
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    drawn.add_column(no_wrap=True)
    drawn.add_column("same", no_wrap=True, min_width=4)
    for heading in ("released", "rebuilt"):
        drawn.add_column(heading, overflow="ellipsis", no_wrap=True, max_width=20)
    for each in compared:
        mark = "yes" if each.same else "no"
        drawn.add_row(each.what, mark, Text(each.released), Text("" if each.same else each.rebuilt))
    return drawn

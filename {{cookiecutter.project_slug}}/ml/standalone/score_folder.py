"""Many tables, or a large one: a plan, its parts on an executor, and a manifest at the end.

Writes, in the folder of answers: what the plan and the parts write, and last `_manifest.json`:
model, code and each file with its rows, bytes and SHA-256. It stands there only where every part
of the plan is done. Run: `ml score 's3://bucket/in/*.parquet' s3://bucket/out/`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml.errors import UserError, reachable
from ml.scale.part import Part
from ml.scale.run import Ended, run_parts, tell_failed
from ml.scale.store import Store
from ml.standalone.score_part import Receipt, receipt_name, receipt_of, score_part
from ml.standalone.score_plan import (
    MANIFEST,
    Plan,
    ScorePart,
    absolute,
    make_plan,
    make_room,
    read_plan,
    shown,
    write_plan,
)
from ml.standalone.tables import READERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.scale.part import Answer, Executor


@dataclass(frozen=True)
class Share:
    """Every so-manieth part of a plan, for a process that shares the work without a scheduler."""

    index: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read `3/8`: the fourth of eight shares.

        Raises:
            UserError: it is none.
        """
        index, slash, of = text.partition("/")
        if not (slash and index.isdecimal() and of.isdecimal() and int(index) < int(of)):
            raise UserError(f"--share {text}: no share of the parts", "give one of 0/8 to 7/8")
        return cls(int(index), int(of))


def plan_scores(source: str, target: str, *, replace: bool) -> Plan:
    """Plan, and write the plan and the model to the folder of answers."""
    plan = make_plan(source, target)
    with reachable(target):
        store = Store(plan.target)
        make_room(plan, store, replace=replace)
        write_plan(plan, store)
    print(
        f"{target}: parts planned: {len(plan.parts)}, rows: {plan.rows:,}, version {plan.version}"
    )
    return plan


def planned(source: str, target: str) -> Plan:
    """The plan that stands in the folder of answers.

    Raises:
        UserError: there is none, or it is of other tables.
    """
    with reachable(target):
        plan = read_plan(Store(target))
    if plan is not None and plan.source == absolute(source):
        return plan
    what = f"the plan is of {plan.source}" if plan else "there is no plan"
    raise UserError(f"{target}: {what}", f"ml score '{source}' {target} --plan")


def score_parts(plan: Plan, executor: Executor, seconds: float, share: Share | None = None) -> bool:
    """Run the parts that are not done, and write the manifest where all are done then.

    Args:
        plan: as written to the folder of answers.
        executor: where the parts run.
        seconds: that one part may take.
        share: only those parts; the process that finds all parts done writes the manifest.

    Returns:
        Whether the parts are done: all, or those of the share.

    Raises:
        UserError: a table holds what the contract does not allow; the other parts are done.
    """
    store, mine = Store(plan.target), list(plan.parts)
    if share is not None:
        mine = mine[share.index :: share.of]
    with reachable(plan.target):
        done = _receipts(store, mine)
    waiting = [Part(part.name, part) for part in mine if part.name not in done]
    ended = run_parts(executor, score_part, waiting, seconds, "scoring")
    done |= ended.results
    tell_failed(ended)
    _say(plan, len(mine), len(waiting), ended)
    _refuse_mistakes(ended)
    if not ended.failed:
        with reachable(plan.target):
            _finish(plan, store, done)
    return not ended.failed


def _receipts(store: Store, parts: Sequence[ScorePart]) -> dict[str, Receipt]:
    """The receipts of the parts that are done."""
    here = store.sizes()
    likely = [part for part in parts if receipt_name(part) in here]
    with ThreadPoolExecutor(READERS) as threads:
        found = threads.map(lambda part: receipt_of(store, part), likely)
    return {part.name: r for part, r in zip(likely, found, strict=True) if r is not None}


def _say(plan: Plan, mine: int, waiting: int, ended: Ended) -> None:
    kept = f", {mine - waiting} of them before" if mine > waiting else ""
    done = f"{mine - len(ended.failed)} of {mine}"
    print(f"{shown(plan.target)}: parts done: {done}{kept}, by version {plan.version}")
    if ended.failed:
        print("next: the same command again does the others")


def _refuse_mistakes(ended: Ended) -> None:
    """Raise the first mistake, where nothing but mistakes stood in the way."""
    answers = [outcome.answer for outcome in ended.failed]
    if answers and all(answer.is_mistake for answer in answers):
        raise _first_of(answers)


def _first_of(mistakes: list[Answer]) -> UserError:
    more = f" (and {len(mistakes) - 1} more parts)" if len(mistakes) > 1 else ""
    return UserError(mistakes[0].problem + more, mistakes[0].then)


def _finish(plan: Plan, store: Store, done: dict[str, Receipt]) -> None:
    """Write the manifest, if all parts of the plan are done, by whomever."""
    missing = [part for part in plan.parts if part.name not in done]
    receipts = done | _receipts(store, missing) if missing else done
    if len(receipts) < len(plan.parts):
        return
    store.sweep()
    store.write_json(MANIFEST, _manifest(plan, [receipts[part.name] for part in plan.parts]))
    print(f"{shown(plan.target)}/{MANIFEST}: rows: {plan.rows:,}, files: {len(plan.parts)}")


def _manifest(plan: Plan, receipts: list[Receipt]) -> dict[str, Any]:
    made = {"source": plan.source, "version": plan.version, "model": plan.model, "code": plan.code}
    rows = sum(receipt["rows"] for receipt in receipts)
    size = sum(receipt["bytes"] for receipt in receipts)
    return {**made, "rows": rows, "bytes": size, "parts": receipts}

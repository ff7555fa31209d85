"""What the ledger's entries say: attempts, refusals in a row, what is unfinished or waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ml.ledger.chain import Entry
from ml.loop.memory import memory

START = datetime(2026, 3, 1, tzinfo=UTC)


def entries(*words: str) -> list[Entry]:
    """Entries an hour apart: `promote 2`, `retrain`, `refuse 3`; of the loop.

    `decay` is a retrain that a decay asked for.
    """
    made = []
    for i, word in enumerate(words):
        action, _, version = word.rpartition(" ") if word[-1].isdigit() else (word, "", "")
        at, decayed = START + timedelta(hours=i), action == "decay"
        evidence = {"until": at.timestamp() - 60.0, "retrain": f"d{i - 1}"}
        made.append(
            Entry(
                number=i + 1,
                at=at.isoformat(),
                who="loop",
                action="retrain" if decayed else action,
                from_version="0",
                to_version=version or None,
                why="",
                evidence=evidence | {"decayed": decayed},
                hashes={},
                decision=f"d{i}",
                previous="",
                hash="",
            )
        )
    return made


def test_an_empty_ledger() -> None:
    past = memory([])
    assert past.last_attempt is None
    assert past.unfinished is None
    assert (past.refusals, past.waiting, past.promoted, past.consumed) == (0, None, (), 0.0)


def test_attempts_and_what_they_consumed() -> None:
    past = memory(entries("promote 1", "retrain", "refuse 2", "retrain", "promote 3"))
    third = (START + timedelta(hours=3)).timestamp()
    assert past.last_attempt == third
    assert past.consumed == third - 60
    assert past.attempts_within_a_day(third + 3600) == 2
    assert past.attempts_within_a_day(third + 86_400) == 0
    assert past.promoted == ("1", "3")


def test_refusals_count_until_a_promotion() -> None:
    assert memory(entries("promote 1", "retrain", "refuse 2", "retrain", "failed")).refusals == 2
    assert memory(entries("retrain", "refuse 2", "retrain", "promote 3")).refusals == 0
    assert memory(entries("retrain", "refuse 2", "rollback 1")).refusals == 0


def test_a_retrain_without_an_end_is_unfinished() -> None:
    begun = memory(entries("promote 1", "retrain")).unfinished
    assert begun is not None
    assert begun.decision == "d1"
    for end in ("promote 2", "refuse 2", "wait 2", "failed", "unchanged", "abandoned"):
        assert memory(entries("promote 1", "retrain", end)).unfinished is None


def test_a_version_waits_until_somebody_decides() -> None:
    assert memory(entries("promote 1", "retrain", "wait 2")).waiting == "2"
    assert memory(entries("promote 1", "retrain", "wait 2", "approve 2")).waiting is None
    assert memory(entries("promote 1", "wait 2", "rollback 1")).waiting is None


def test_a_promotion_is_on_probation_until_it_passed_or_was_rolled_back() -> None:
    begun = memory(entries("promote 1", "retrain", "promote 2"))
    assert begun.probation is not None
    assert begun.probation.to_version == "2"
    assert not begun.asked
    asked = memory(entries("promote 2", "probation unclear 2"))
    assert asked.asked
    assert asked.probation is not None
    assert memory(entries("promote 2", "probation passed 2")).probation is None
    assert memory(entries("promote 2", "rollback 1")).probation is None
    assert memory(entries("promote 2", "probation passed 2", "promote 3")).probation is not None


def test_refusals_after_a_decay_are_counted_apart() -> None:
    past = memory(entries("promote 1", "retrain", "refuse 2", "decay", "refuse 3"))
    assert (past.refusals, past.decay_refusals) == (2, 1)
    past = memory(entries("decay", "refuse 2", "promote 3", "retrain", "refuse 4"))
    assert (past.refusals, past.decay_refusals) == (1, 0)


def test_what_could_not_be_carried_out_is_no_refusal_and_takes_no_rows() -> None:
    stopped = memory(entries("promote 1", "retrain", "stopped", "stopped"))
    assert stopped.unfinished is not None
    assert (stopped.refusals, stopped.stops) == (0, 2)
    assert memory(entries("promote 1", "retrain", "stopped", "promote 2", "retrain")).stops == 0
    abandoned = memory(entries("promote 1", "retrain", "abandoned"))
    assert (abandoned.refusals, abandoned.unfinished, abandoned.consumed) == (0, None, 0.0)

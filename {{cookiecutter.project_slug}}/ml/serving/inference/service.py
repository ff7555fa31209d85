"""What the routes of one process share: the models, the journal, the counters."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

from ml.bundle import Bundle, load_bundle
from ml.journal.group_commit import GroupCommitWriter
from ml.journal.store import Journal
from ml.params import Serve
from ml.serving.connections import HEALTH_RESERVE, Connections, limit_of
from ml.serving.inference.admission import Admission
from ml.serving.inference.challenger import Challenger
from ml.serving.inference.explaining import Explaining
from ml.serving.inference.journal_health import JournalHealth
from ml.serving.inference.predictor import Predictor
from ml.serving.inference.reload import follow, state
from ml.serving.metrics import Metrics
from ml.serving.settings import Settings


class Service:
    """What the routes share: the served model, the journal and the counters.

    Args:
        settings: of the server. The bundle is loaded and verified here.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._seen = state(settings.bundle)
        self.use(load_bundle(settings.bundle))
        # half of the deadline: requests that came while a first write waited for a lock are refused
        # in time too
        self._patience = settings.serve.deadline_seconds / 2
        self.journal = Journal(settings.journal, self._patience, settings.serve.journal_connections)
        self.journal_health = JournalHealth(settings.journal, self._patience, self.metrics)
        self.writer: GroupCommitWriter | None = None  # needs a running event loop
        self.draining = False
        self.connections, self.admission = _limits(settings.serve, self.metrics)
        self.challenger = Challenger(
            settings.serve.challenger, settings.serve.canary_share, self.metrics
        )
        self.explaining = Explaining(self)
        self._tasks: list[asyncio.Task[None]] = []

    def use(self, bundle: Bundle | None) -> None:
        """Let a verified bundle answer from the next request on; None: the current one stays."""
        if bundle is None:
            self.metrics.bundle_failures.inc()
            return
        self.served = Predictor(bundle, self.settings.serve)
        self.metrics.serving(bundle.version)

    def open(self) -> None:
        """Start writing to the journal and following the links, in the running event loop."""
        self.writer = self._open_writer()
        self._start(
            self.admission.sweep(), self.explaining.admission.sweep(), self.connections.sweep()
        )
        self._follow_links()
        gc.collect()
        gc.freeze()  # objects that exist now stay: the collector need not look at them again

    def _open_writer(self) -> GroupCommitWriter:
        journal = Journal(self.settings.journal, self._patience)
        journal.preallocate_wal()
        self.journal_health.open(journal)
        return GroupCommitWriter(
            journal, self.settings.serve.max_waiting_rows, self.metrics.journal.committed
        )

    def _follow_links(self) -> None:
        """Let released bundles take over; start the challenger if there may be one."""
        link, refused = self.settings.bundle, self.metrics.bundle_failures.inc
        self._start(follow(link, self._seen, self.use, refused))
        if self.challenger.is_on:
            challenger = link.with_name("challenger")
            self._start(follow(challenger, None, self._use_challenger, refused))
            self.challenger.open(self.settings.journal)

    def _start(self, *forever: Coroutine[Any, Any, None]) -> None:
        self._tasks += [asyncio.create_task(coroutine) for coroutine in forever]

    def _use_challenger(self, bundle: Bundle | None) -> None:
        self.challenger.served = None if bundle is None else Predictor(bundle, self.settings.serve)

    @property
    def not_ready(self) -> str | None:
        """Why this process should get no requests now; None: it answers them."""
        return "draining" if self.draining else self.journal_health.problem

    def close(self) -> None:
        """Finish the last commit."""
        for task in self._tasks:
            task.cancel()
        self.explaining.close()
        self.journal_health.close()
        self.challenger.close()
        if self.writer is not None:
            self.writer.close()
        self.journal.close()


def _limits(serve: Serve, metrics: Metrics) -> tuple[Connections, Admission]:
    """How many connections and requests there may be; requests leave some connections to probes."""
    most, deadline = limit_of(serve.max_connections), serve.deadline_seconds
    connections = Connections(most, deadline, metrics.connections_dropped.inc)
    limit = min(serve.max_requests, max(1, most - HEALTH_RESERVE))
    metrics.room.set(limit)
    return connections, Admission(limit, serve.max_held_bytes, deadline, metrics.waiting.set)

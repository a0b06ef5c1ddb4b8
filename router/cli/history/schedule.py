"""Pulls again and again, of `router pull --follow` and of `router up`: each source in a thread of its own.

A source is pulled `every` so long after its last pull came to its end, which stands in Kafka, and at once when its
settings or its map change. One that fails is tried again after a minute, then later and later; it holds up no other.
kill -9 at any point loses nothing: the next process sends what is left (`router.history.pull`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from router import metrics
from router.cli.history.database import Database, pulled_sources
from router.cli.history.pulls import Pulls
from router.cli.history.results import BadRows
from router.cli.report import counted
from router.config.loader import Loaded
from router.config.pulled import SqlSettings
from router.errors import RouterError
from router.history.history_import import BadRow
from router.history.pull_steps import PullCounts
from router.kafka.cluster import Cluster
from router.process.health import Health
from router.process.reload import Reload

FIRST_SECONDS = 60.0
LONGEST_SECONDS = 3600.0
END_SECONDS = 20.0  # for a batch to end; a database that does not answer is not waited for
_LOOK_SECONDS = 0.5

log = logging.getLogger(__name__)
Told = Callable[[Database, PullCounts], object]


class PullSchedule:
    """Of the sources of type sql, or those `chosen`. `told` gets what each pull has done, `rejected` its bad rows."""

    def __init__(
        self, cluster: Cluster, health: Health, told: Told, *,
        chosen: Sequence[str] = (), rate: int | None = None, rejected: BadRows | None = None,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._health = health
        self._told = told
        self._chosen = chosen
        self._rate = rate
        self._rejected = rejected
        self._threads: dict[str, _SourceThread] = {}
        self.faults: SimpleQueue[Exception] = SimpleQueue()

    def run(self, loaded: Loaded, stop: Event, reload: Reload[None]) -> None:
        """Until `stop` is set. Raises what a thread has failed of, where that is a fault of the router."""
        self.follow(loaded)
        self._health.ready("schedule", True)
        try:
            while not stop.wait(_LOOK_SECONDS):
                self._raise_fault()
                offer = reload.take()
                if offer is not None:
                    self.follow(offer.loaded)
                    reload.done(offer)
        finally:
            self.close()

    def follow(self, loaded: Loaded) -> None:
        """Pull what this topology has: begin with new sources, end with those that are gone, wake changed ones."""
        wanted = pulled_sources(loaded, self._chosen)
        for name in [name for name in self._threads if name not in wanted]:
            self._threads.pop(name).end()
            self._health.forget(name)
            for gauge in (metrics.PULL_LAST, metrics.PULL_EVERY):
                gauge.remove(name)
        for name in wanted:
            if name in self._threads:
                self._threads[name].change(loaded)
            else:
                thread = self._threads[name] = _SourceThread(self, name, loaded)
                thread.start()

    def close(self) -> None:
        until = time.monotonic() + END_SECONDS
        for thread in self._threads.values():
            thread.end()
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))

    def pulls(self, loaded: Loaded, source: str, ended: Event) -> Pulls:
        """Raises RouterError where the settings name no database."""
        return Pulls(self._cluster, loaded, Database.of(loaded, source), self._rate, ended)

    def done(self, database: Database, counts: PullCounts, bad: _Rejected) -> None:
        self._health.ready(database.source, True, bad.summary())
        self._told(database, counts)
        if bad.count:
            log.warning("%s: %s", database.source, bad.summary())

    def failed(self, source: str, error: RouterError, wait: float) -> None:
        """Events flow all the same: the process is ready, and says what it could not do."""
        metrics.PULLS.labels(source, "failed").inc()
        words = f"{error}; tried again in {wait:g} s"
        self._health.ready(source, True, words)
        log.error("%s: %s", source, words)

    def rejected(self) -> _Rejected:
        return _Rejected(self._rejected)

    def _raise_fault(self) -> None:
        try:
            raise self.faults.get_nowait()
        except Empty:
            return


class _SourceThread(Thread):
    """It ends with the process, at the latest: a query that does not come back is not waited for."""

    def __init__(self, schedule: PullSchedule, source: str, loaded: Loaded) -> None:
        super().__init__(name=f"pull-{source}", daemon=True)
        self._schedule = schedule
        self._source = source
        self._loaded = loaded
        self._wake = Event()
        self._ended = Event()
        self._wait = 0.0  # after the last failure; 0 after a success

    def change(self, loaded: Loaded) -> None:
        before, self._loaded = self._loaded, loaded
        if _asked_for(before, self._source) != _asked_for(loaded, self._source):
            self._wake.set()

    def end(self) -> None:
        self._ended.set()
        self._wake.set()

    def run(self) -> None:
        try:
            wait = self._tried(self._first_wait)
            while not self._woken(wait):
                wait = self._tried(self._pull)
        except Exception as error:  # noqa: BLE001  a fault of ours: the process ends with it, and is started again
            self._schedule.faults.put(error)

    def _woken(self, wait: float) -> bool:
        """True when it is to end."""
        self._wake.wait(wait)
        self._wake.clear()
        return self._ended.is_set()

    def _tried(self, turn: Callable[[Pulls], float]) -> float:
        """Seconds to wait afterwards."""
        every = self._every()
        try:
            wait = turn(self._schedule.pulls(self._loaded, self._source, self._ended))
        except RouterError as error:
            self._wait = min(every, LONGEST_SECONDS, self._wait * 2 or FIRST_SECONDS)
            self._schedule.failed(self._source, error, self._wait)
            return self._wait
        self._wait = 0.0
        return wait

    def _first_wait(self, pulls: Pulls) -> float:
        last, every = pulls.last() / 1000, self._every()
        metrics.PULL_LAST.labels(self._source).set(last)
        wait = min(every, max(0.0, last + every - time.time()))
        if wait:
            log.info("%s: pulled last %.0f s ago, and again in %.0f s", self._source, time.time() - last, wait)
        return wait

    def _pull(self, pulls: Pulls) -> float:
        bad = self._schedule.rejected()
        counts = pulls.run(bad)
        if counts.complete:
            self._schedule.done(pulls.database, counts, bad)
        return self._every()

    def _every(self) -> float:
        settings = self._loaded.source_settings[self._source]
        assert isinstance(settings, SqlSettings)
        metrics.PULL_EVERY.labels(self._source).set(settings.every)
        return settings.every


class _Rejected:
    """Bad rows of one pull: how many, and the first; `report` gets them all."""

    def __init__(self, report: BadRows | None) -> None:
        self._report = report
        self._first: BadRow | None = None
        self.count = 0

    def add(self, file: str, rows: Sequence[BadRow]) -> None:
        self.count += len(rows)
        self._first = self._first or next(iter(rows), None)
        if self._report is not None:
            self._report.add(file, rows)

    def summary(self) -> str:
        """Empty where there was none."""
        if self._first is None:
            return ""
        return f"{counted(self.count, 'bad row')}, the first in row {self._first.line}: {self._first.reason}"


def _asked_for(loaded: Loaded, source: str) -> tuple[object, Mapping[str, Any]]:
    return loaded.source_settings[source], loaded.topology.sources[source].map

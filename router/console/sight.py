"""What all pages look at: the topology in force, the counts and health, and what is written down in Kafka.

Everything that waits for Kafka or another process runs in a thread; the counts are asked for at most once a second,
however many browsers look. While nothing answers the last answer stays, with its time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from router.config.loader import Loaded
from router.config.options import RunOptions
from router.config.topics import topics_of
from router.console.audit import AuditLog
from router.console.jobs import Job, Jobs
from router.console.plan_folders import PlanFolders
from router.embedded.broker import recognised
from router.errors import RouterError
from router.events.topics import Topics
from router.kafka.cluster import Cluster
from router.mask import Mask
from router.plan import compile_plan
from router.process.run import secrets
from router.status.kafka import look_at_kafka
from router.status.pages import Look, look

FRESH_SECONDS = 1.0
SEARCHES = 2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LatestCounts:
    """The newest counts: `look` is None before there were any; `at` is their time, in ms since 1970; `away` says why
    there are no newer ones.
    """

    look: Look | None
    at: int
    away: str = ""


class Sight:
    """Of one topology. `loaded` is replaced when the files change."""

    def __init__(self, loaded: Loaded, options: RunOptions) -> None:
        self.loaded = loaded
        self.options = options
        self.cluster = Cluster.of(options)
        self.plans = PlanFolders()
        self.jobs = Jobs(self._ended)
        self.tried: dict[str, str] = {}  # the last replay that each person has counted: only such a one is begun
        self._secrets = tuple(secrets(loaded, options))
        self._counts = LatestCounts(None, 0)
        self._asked = 0.0
        self._lock = asyncio.Lock()
        self.searches = asyncio.Semaphore(SEARCHES)  # each reads much

    @property
    def topics(self) -> Topics:
        return topics_of(self.loaded.topology)

    @property
    def mask(self) -> Mask:
        """Hides the fields that the topology names, and every secret that it has had since this process began."""
        self._secrets = tuple(dict.fromkeys((*self._secrets, *secrets(self.loaded, self.options))))
        return Mask(self.loaded.topology.mask, self._secrets)

    @property
    def audit(self) -> AuditLog:
        return AuditLog(self.cluster, self.topics.audit)

    async def counts(self) -> LatestCounts:
        """The counts, at most a second old where they can be had."""
        async with self._lock:
            if time.monotonic() - self._asked >= FRESH_SECONDS:
                try:
                    found = await asyncio.to_thread(self._look)
                except RouterError as error:
                    self._counts = LatestCounts(self._counts.look, self._counts.at, str(error))
                else:
                    self._counts = LatestCounts(found, int(time.time() * 1000))
                self._asked = time.monotonic()
            return self._counts

    def with_plans(self, sources: Iterable[str]) -> Loaded:
        """The topology with the tracking plans of these sources, as their files are now. Raises FileError."""
        folders = {name: self.loaded.topology.sources[name].plan for name in sources}
        plans = {name: compile_plan(self.plans.read(folder)) for name, folder in folders.items() if folder is not None}
        return replace(self.loaded, plans=plans)

    def _ended(self, job: Job) -> None:
        self.audit.write(job.deed, "failed" if job.state == "failed" else "done", self.mask.text(job.says))

    def _look(self) -> Look:
        if self.options.pages:
            return look(self.options.pages)
        return look_at_kafka(self.loaded, recognised(self.cluster))

    async def read(self, question: Callable[[], T]) -> T:
        """The answer of something that waits, asked in a thread. Raises what it raises."""
        return await asyncio.to_thread(question)

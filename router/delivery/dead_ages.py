"""How long the oldest dead letter of each destination has waited: looked up in Kafka every minute, in a thread.

What was redriven waits no longer, although it stays in the topic. Nothing is written: after kill -9 the first look
finds the same. While Kafka is away the last answer holds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from threading import Event, Thread

from router.errors import RouterError
from router.events.topics import Topics
from router.kafka.admin import Admin, Watermarks
from router.kafka.cluster import Cluster
from router.kafka.first import first_records
from router.kafka.offsets import PartitionKey
from router.replay.redrive_log import RedriveLog

LOOK_SECONDS = 60.0
DeadSince = Mapping[str, float | None]

log = logging.getLogger(__name__)


class DeadLetterAges:
    """Tells `found` since when the oldest dead letter of each destination in `names()` has waited.

    In seconds since 1970, None where there is none.
    """

    def __init__(
        self, cluster: Cluster, topics: Topics, names: Callable[[], Iterable[str]], found: Callable[[DeadSince], object]
    ) -> None:
        self._cluster, self._topics, self._names, self._found = cluster, topics, names, found
        self._admin = Admin(cluster)
        # By partition the offset before which all are redriven or deleted, and the time of the one there, if one waits.
        self._seen: dict[PartitionKey, tuple[int, int | None]] = {}
        self._redrives: dict[PartitionKey, Watermarks] = {}  # how far the log reached then
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="dead-ages", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits for a look that is under way."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._found(self.look(list(self._names())))
            except RouterError as error:
                log.warning("the age of dead letters cannot be read, that known holds: %s", error)
            self._stopping.wait(LOOK_SECONDS)

    def look(self, names: Iterable[str]) -> DeadSince:
        """Read what has changed since the last look. Raises RouterError, Unavailable where no broker answers."""
        dead = {self._topics.dead(name): name for name in names}
        bounds, redrives = self._bounds(dead)
        starts = {}
        for key, at in bounds.items():
            offset, time = self._seen.get(key, (at.low, None))
            start = at.low if offset > at.high else max(at.low, offset)
            if time is None or start != offset or redrives != self._redrives:
                self._seen[key] = at.high, None
                if start < at.high:
                    starts[key] = start
        if starts:
            redriven = RedriveLog(self._cluster, self._topics.redrives, {name: topic for topic, name in dead.items()})
            gone = redriven.read()
            self._seen |= first_records(
                self._cluster, starts, lambda key, offset: (dead[key[0]], key[1], offset) not in gone
            )
        self._redrives = redrives
        since: dict[str, float | None] = dict.fromkeys(dead.values())
        for key in bounds:
            name, waits = dead[key[0]], self._seen[key][1]
            if waits is not None:
                since[name] = min(since[name] or waits / 1000, waits / 1000)
        return since

    def _bounds(self, dead: Iterable[str]) -> tuple[dict[PartitionKey, Watermarks], dict[PartitionKey, Watermarks]]:
        """Of the partitions with dead letters, and of the log of redrives."""
        present, log_topic = self._admin.topics(), self._topics.redrives
        partitions = [(topic, number) for topic in (*dead, log_topic) for number in range(present.get(topic, 0))]
        found = self._admin.watermarks(partitions, uncommitted=False) if partitions else {}
        redrives = {key: at for key, at in found.items() if key[0] == log_topic}
        return {key: at for key, at in found.items() if key not in redrives and at.low < at.high}, redrives

"""Room on the embedded broker for what the route worker writes; a real Kafka keeps what it is given."""

from __future__ import annotations

from collections.abc import Iterable

from router.agents.records import Record
from router.config.models import Topology
from router.config.topics import topics_of
from router.kafka.backlog import Backlog
from router.kafka.partitioner import partition_for

REMEMBERED = 50_000


def watched(topology: Topology) -> list[tuple[str, str]]:
    """The topics of all enabled destinations, each with the group that reads it."""
    topics = topics_of(topology)
    enabled = [name for name, destination in topology.destinations.items() if destination.enabled]
    return [(topics.destination(name), topics.deliver_group(name)) for name in enabled]


class Room:
    """Tells the backlog of each record before it is produced, and whether more may be read.

    The backlog watches the same topics, those of `watched`.
    """

    def __init__(self, backlog: Backlog, topics: Iterable[tuple[str, str]], partitions: int) -> None:
        self._backlog = backlog
        self._topics = frozenset(topic for topic, _ in topics)
        self._partitions = partitions
        self._partition_of: dict[bytes, int] = {}

    def __call__(self) -> bool:
        return self._backlog.room()

    def watch(self, topics: Iterable[tuple[str, str]]) -> None:
        """From now on these topics."""
        topics = list(topics)
        self._topics = frozenset(topic for topic, _ in topics)
        self._backlog.watch(topics)

    def note(self, records: Iterable[Record]) -> None:
        """The records are about to be produced."""
        for topic, value, key, _ in records:
            if topic in self._topics and key is not None:
                self._backlog.note(topic, self._partition(key), len(value) + len(key))

    def _partition(self, key: bytes) -> int:
        partition = self._partition_of.get(key)
        if partition is None:
            if len(self._partition_of) > REMEMBERED:
                self._partition_of.clear()
            partition = self._partition_of[key] = partition_for(key, self._partitions)
        return partition

    def close(self) -> None:
        self._backlog.stop()

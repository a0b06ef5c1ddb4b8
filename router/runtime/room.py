"""Room on the embedded broker for what the route worker writes; a real Kafka keeps what it is given."""

from __future__ import annotations

from collections.abc import Iterable

from router.agents.records import Record
from router.kafka.backlog import Backlog
from router.kafka.partitioner import partition_for

REMEMBERED = 50_000


class Room:
    """Tells the backlog of each record before it is produced, and whether more may be read."""

    def __init__(self, backlog: Backlog, topics: Iterable[str], partitions: int) -> None:
        self._backlog = backlog
        self._topics = frozenset(topics)
        self._partitions = partitions
        self._partition_of: dict[bytes, int] = {}

    def __call__(self) -> bool:
        return self._backlog.room()

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

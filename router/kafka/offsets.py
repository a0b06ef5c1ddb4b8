"""What a group has committed, read through a consumer that has the group's name and never joins it.

Not through the admin client: its call for this aborts the whole process when the coordinator goes away while it waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.failure import router_error, translated

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Committed:
    """A group's next offset in a partition, and what its members stored beside it."""

    offset: int
    metadata: str


class GroupOffsets:
    """`stable` waits for the group's open transactions. Raises Unavailable after `timeout` seconds."""

    def __init__(self, cluster: Cluster, group: str, *, stable: bool = True, timeout: float = 10.0) -> None:
        self._group, self._timeout = group, timeout
        with translated("Kafka settings"):
            self._consumer = Consumer(clients.reader(cluster, uncommitted=not stable) | {"group.id": group})

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Committed]:
        """Partitions without a commit are left out."""
        asked = [TopicPartition(topic, partition) for topic, partition in partitions]
        if not asked:
            return {}
        self._consumer.poll(0)  # hands over waiting log lines; there is nothing else to come
        with translated(f"offsets of {self._group}"):
            rows = self._consumer.committed(asked, self._timeout)
        for row in rows:
            if row.error is not None:
                raise router_error(
                    KafkaException(row.error), f"offsets of {self._group} in {row.topic}:{row.partition}"
                )
        return {
            (row.topic, row.partition): Committed(row.offset, row.metadata or "") for row in rows if row.offset >= 0
        }

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

"""Where a partition begins and ends, and what a group has committed.

Groups are asked by their members, or through a consumer that has the group's name and never joins it.

Not through the admin client: its call for this aborts the whole process when the coordinator goes away while it waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from router.errors import Unavailable
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.failure import ABSENT, COORDINATOR_CHANGING, router_error, translated
from router.kafka.offset_metadata import text_of

PartitionKey = tuple[str, int]  # topic, number
_AGAIN_SECONDS = 0.1
_LEADER_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Committed:
    """A group's next offset in a partition, and what its members stored beside it."""

    offset: int
    metadata: str


class GroupOffsets:
    """`stable` waits for the group's open transactions.

    A coordinator that moves is asked again. Raises Unavailable after `timeout` seconds.
    """

    def __init__(self, cluster: Cluster, group: str, *, stable: bool = True, timeout: float = 10.0) -> None:
        self._group, self._timeout = group, timeout
        with translated("Kafka settings"):
            self._consumer = Consumer(clients.reader(cluster, uncommitted=not stable) | {"group.id": group})

    def committed(self, partitions: Iterable[PartitionKey]) -> dict[PartitionKey, Committed]:
        """Partitions without a commit are left out."""
        asked = [TopicPartition(topic, partition) for topic, partition in partitions]
        if not asked:
            return {}
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                rows = self._asked(asked, max(0.0, deadline - time.monotonic()))
                break
            except KafkaException as error:
                if error.args[0].name() not in COORDINATOR_CHANGING or time.monotonic() + _AGAIN_SECONDS > deadline:
                    raise router_error(error, f"offsets of {self._group}") from error
            time.sleep(_AGAIN_SECONDS)
        return {(row.topic, row.partition): Committed(row.offset, text_of(row)) for row in rows if row.offset >= 0}

    def _asked(self, partitions: list[TopicPartition], seconds: float) -> list[TopicPartition]:
        """One question. Raises KafkaException, also for a single partition's fault."""
        self._consumer.poll(0)  # hands over waiting log lines; there is nothing else to come
        rows = self._consumer.committed(partitions, seconds)
        for row in rows:
            if row.error is not None:
                raise KafkaException(row.error)
        return rows

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def stable_offsets(consumer: Consumer, partitions: Sequence[TopicPartition], seconds: float) -> list[TopicPartition]:
    """What the consumer's group has committed, in the order of topic and partition.

    Waits for open transactions of the group to end, since they may commit. Raises Unavailable.
    """
    if not partitions:
        return []
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = consumer.committed(list(partitions), seconds)
            for partition in found:
                if partition.error:
                    raise KafkaException(partition.error)
            return sorted(found, key=lambda tp: (tp.topic, tp.partition))
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"cannot read committed offsets: {error.args[0].str()}") from error
            time.sleep(_AGAIN_SECONDS)


def log_ends(consumer: Consumer, topic: str, partition: int, timeout: float) -> tuple[int, int]:
    """The first offset and the one after the last.

    Asked again while the partition's leader is being found: right after a topic is made, say. Raises Unavailable after
    `timeout` seconds, or for a refusal.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), deadline - time.monotonic())
        except KafkaException as error:
            cause = error.args[0]
            if cause.name() not in ABSENT or time.monotonic() + _LEADER_PAUSE_SECONDS > deadline:
                raise Unavailable(f"cannot read the ends of {topic}: {cause.str()}") from error
        time.sleep(_LEADER_PAUSE_SECONDS)

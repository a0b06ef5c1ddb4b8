"""Sizes of messages that another process has sent, found by reading them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaException, TopicPartition

from router.errors import Unavailable
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.failure import router_error
from router.kafka.offsets import PartitionKey

_BATCH = 500
_WAIT_SECONDS = 0.1


def message_sizes(
    cluster: Cluster, starts: Mapping[PartitionKey, int], deadline: float
) -> Iterator[tuple[PartitionKey, int]]:
    """(partition, bytes of key and value) of each message from these offsets to each partition's end, in order.

    Raises Unavailable when that takes more than `deadline` seconds.
    """
    left, end = set(starts), time.monotonic() + deadline
    reader = Consumer(clients.reader(cluster, uncommitted=True))
    try:
        reader.assign([TopicPartition(topic, number, offset) for (topic, number), offset in starts.items()])
        while left:
            if time.monotonic() > end:
                raise Unavailable(f"reading what is outstanding took more than {deadline:g} s")
            for message in reader.consume(_BATCH, _WAIT_SECONDS):
                error, key = message.error(), (message.topic() or "", message.partition() or 0)
                if error is None:
                    yield key, len(message.value() or b"") + len(message.key() or b"")
                elif error.name() == "_PARTITION_EOF":
                    left.discard(key)
                else:
                    raise router_error(KafkaException(error), "reading what is outstanding")
    finally:
        reader.close()

"""The first record of each of many partitions, read at once and without a group."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, TopicPartition

from router.errors import Unavailable
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.failure import translated
from router.kafka.offsets import PartitionKey

SILENCE_SECONDS = 10.0
_BATCH = 500
Wanted = Callable[[PartitionKey, int], bool]  # by partition and offset
FirstRecords = dict[PartitionKey, tuple[int, int]]


def first_records(
    cluster: Cluster, starts: Mapping[PartitionKey, int], wanted: Wanted = lambda key, offset: True
) -> FirstRecords:
    """Offset and broker's time, in ms since 1970, of the first record at or after each of these offsets that is wanted.

    Partitions that have none are left out: there, up to the end, are markers of transactions alone, or records that
    are not wanted. Raises Unavailable.
    """
    if not starts:
        return {}
    left, found = set(starts), FirstRecords()
    with translated("read the oldest messages"):
        consumer = Consumer(clients.reader(cluster) | {"queued.min.messages": 1, "fetch.message.max.bytes": 65_536})
        try:
            consumer.assign([TopicPartition(*key, offset) for key, offset in starts.items()])
            heard = time.monotonic()
            while left:
                if time.monotonic() - heard > SILENCE_SECONDS:
                    raise Unavailable(f"the oldest messages of {len(left)} partitions did not come in time")
                for message in consumer.consume(_BATCH, 0.2):
                    key = (str(message.topic()), int(message.partition() or 0))
                    if key not in left:
                        continue
                    heard = time.monotonic()
                    if message.error() is None:
                        offset = int(message.offset() or 0)
                        if not wanted(key, offset):
                            continue
                        found[key] = offset, message.timestamp()[1]
                    left.discard(key)
        finally:
            consumer.close()
    return found

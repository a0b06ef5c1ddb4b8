"""What a topic holds, over all its partitions in the order of the messages' times, read without a group."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from confluent_kafka import Consumer, Message, TopicPartition

from router.kafka import clients
from router.kafka.admin import REQUEST_SECONDS, Watermarks
from router.kafka.cluster import Cluster
from router.kafka.failure import translated
from router.kafka.span import span

_FIRST_LOOK = 4  # times the messages asked for: markers of transactions take offsets too
_WIDER = 8

Bounds = Mapping[int, Watermarks]  # by partition


def timeline(cluster: Cluster, topic: str, bounds: Bounds) -> Iterator[Message]:
    """Every message within the bounds, the oldest first; as much is held in memory as a batch of each partition."""
    parts = [
        chain.from_iterable(span(cluster, topic, number, at.low, at.high)) for number, at in sorted(bounds.items())
    ]
    return heapq.merge(*parts, key=_time)


def latest(
    cluster: Cluster, topic: str, bounds: Bounds, count: int, wanted: Callable[[Message], bool]
) -> list[Message]:
    """The last `count` messages that are wanted, the oldest first. Looks back only as far as it must."""
    width = count * _FIRST_LOOK
    while True:
        near = {number: Watermarks(max(at.low, at.high - width), at.high) for number, at in bounds.items()}
        found = deque(filter(wanted, timeline(cluster, topic, near)), maxlen=count)
        if len(found) == count or all(near[number].low == at.low for number, at in bounds.items()):
            return list(found)
        width *= _WIDER


def since(cluster: Cluster, topic: str, bounds: Bounds, ms: int) -> dict[int, Watermarks]:
    """The bounds from the first message at or after a time, in ms since 1970.

    A broker without an index of times leaves them as they are: whoever reads looks at the times as well.
    """
    asked = [TopicPartition(topic, number, max(0, ms)) for number in bounds]
    with translated(f"times of {topic}"):
        consumer = Consumer(clients.reader(cluster))
        try:
            found = {one.partition: one.offset for one in consumer.offsets_for_times(asked, REQUEST_SECONDS)}
        finally:
            consumer.close()
    return {number: Watermarks(min(at.high, max(at.low, found[number])), at.high) for number, at in bounds.items()}


def _time(message: Message) -> int:
    return message.timestamp()[1]

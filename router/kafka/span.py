"""The committed records of one partition between two offsets, read once and in order, without a group."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from router.errors import RouterError, Unavailable
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.failure import router_error, translated

SILENCE_SECONDS = 30.0
_BATCH = 500


def span(cluster: Cluster, topic: str, partition: int, start: int, end: int) -> Iterator[list[Message]]:
    """Records from `start` up to, not including, `end`, in batches. Both must lie within the log.

    Raises Unavailable when nothing comes for 30 s, RouterError for what the broker refuses.
    """
    if start >= end:
        return
    doing = f"read {topic} [{partition}]"
    with translated(doing):
        consumer = Consumer(clients.reader(cluster))
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            yield from _until(consumer, start, end, doing)
        finally:
            consumer.close()


def _until(consumer: Consumer, start: int, end: int, doing: str) -> Iterator[list[Message]]:
    heard = time.monotonic()
    while True:
        messages = consumer.consume(_BATCH, 0.2)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_SECONDS:
            raise Unavailable(f"{doing}: nothing came for {SILENCE_SECONDS:g} s")
        ended = False
        records = []
        for message in messages:
            error, offset = message.error(), message.offset()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                if error.code() == KafkaError._AUTO_OFFSET_RESET:
                    raise RouterError(f"{doing}: there is no message at offset {start} (any more)")
                raise router_error(KafkaException(error), doing)
            # Offsets have gaps where transactions ended: the first one past the end tells that all before it is read.
            ended = ended or error is not None or (offset is not None and offset >= end - 1)
            if error is None and offset is not None and offset < end:
                records.append(message)
        if records:
            yield records
            heard = time.monotonic()  # whoever reads may take long
        if ended:
            return

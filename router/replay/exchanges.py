"""What was sent for a dead letter and what came back, as the delivery log keeps it: up to three samples an outcome."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson
from confluent_kafka import Consumer, TopicPartition

from router.kafka import clients
from router.kafka.admin import REQUEST_SECONDS, Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import translated
from router.kafka.partitioner import partition_for
from router.kafka.span import span
from router.replay.dead_letters import DeadLetter, ends

MARGIN_MS = 60_000  # the log record is written with the dead letter; clocks of producers may differ

Exchange = dict[str, Any]  # request, response, detail: masked when they were written


def exchanges(cluster: Cluster, log_topic: str, found: Collection[DeadLetter]) -> dict[str, Exchange]:
    """By `origin`, for those dead letters of one destination that a sample is about."""
    bounds = ends(Admin(cluster), log_topic)
    if not found or not bounds:
        return {}
    number = partition_for(next(iter(found)).destination.encode(), len(bounds))
    wanted = {letter.origin for letter in found if letter.origin}
    start = _offset_at(cluster, log_topic, number, min(letter.time for letter in found) - MARGIN_MS)
    last = max(letter.time for letter in found) + MARGIN_MS
    at = bounds[number]
    kept: dict[str, Exchange] = {}
    for messages in span(cluster, log_topic, number, max(start, at.low), at.high):
        for message in messages:
            kept |= {origin: one for origin, one in _samples(message.value() or b"") if origin in wanted}
        if messages[-1].timestamp()[1] > last:
            break
    return kept


def _offset_at(cluster: Cluster, topic: str, partition: int, ms: int) -> int:
    """The first offset at or after a time; negative where there is none, or the broker has no index of times."""
    with translated(f"times of {topic}"):
        consumer = Consumer(clients.reader(cluster))
        try:
            (found,) = consumer.offsets_for_times([TopicPartition(topic, partition, max(0, ms))], REQUEST_SECONDS)
        finally:
            consumer.close()
    return found.offset


def _samples(value: bytes) -> list[tuple[str, Exchange]]:
    """Origin and exchange of each sample of a dead event; none of a record that is not the log's."""
    try:
        record = orjson.loads(value)
    except orjson.JSONDecodeError:
        return []
    if not isinstance(record, dict) or record.get("outcome") != "dead":
        return []
    samples = record.get("samples")
    return [
        (
            str(sample.get("origin")),
            {name: sample[name] for name in ("request", "response", "detail") if name in sample},
        )
        for sample in (samples if isinstance(samples, list) else [])
        if isinstance(sample, dict)
    ]

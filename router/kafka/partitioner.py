"""The Java clients' partitioner: murmur2 of the key, which librdkafka calls `murmur2_random`."""

from __future__ import annotations

from confluent_kafka import murmur2

PARTITIONER = "murmur2_random"  # librdkafka's own default sends most keys elsewhere than Java does


def partition_for(key: bytes, count: int) -> int:
    """The partition, of `count`, where producers put this key. A message without a key has no fixed partition."""
    return murmur2(key, count)

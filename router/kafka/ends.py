"""Where a partition begins and ends, asked again while its leader is being found: right after a topic is made, say."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from router.errors import Unavailable
from router.kafka.failure import ABSENT

AGAIN_SECONDS = 0.2


def log_ends(consumer: Consumer, topic: str, partition: int, timeout: float) -> tuple[int, int]:
    """The first offset and the one after the last. Raises Unavailable after `timeout` seconds, or for a refusal."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), deadline - time.monotonic())
        except KafkaException as error:
            cause = error.args[0]
            if cause.name() not in ABSENT or time.monotonic() + AGAIN_SECONDS > deadline:
                raise Unavailable(f"cannot read the ends of {topic}: {cause.str()}") from error
        time.sleep(AGAIN_SECONDS)

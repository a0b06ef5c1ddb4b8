"""The bare loop: consume, parse, serialise, produce to the same topics with the same headers, commit. Nothing else.

It is the bound of what a Python process on this client can copy; it promises nothing.
"""

from __future__ import annotations

import sys

import orjson
from confluent_kafka import Consumer, Producer


def main(bootstrap: str, group: str, source: str, targets: list[str]) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "queued.min.messages": 20_000,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 1,
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    consumer.subscribe([source])
    headers: list[tuple[str, str | bytes | None]] = [
        ("source", b"web"),
    ]
    while True:
        messages = consumer.consume(1, 1.0) + consumer.consume(1999, 0)
        for message in messages:
            if message.error():
                continue
            value = orjson.dumps(orjson.loads(message.value() or b"null"))
            key = message.key()
            for target in targets:
                producer.produce(target, value, key, -1, None, None, 0, headers)
        if messages:
            producer.flush(30)
            consumer.commit(asynchronous=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])

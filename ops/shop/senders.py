"""The two ways in: the official Segment SDK over HTTP, and a Kafka producer such as a team's own service has.

Both answer for what they sent: `sent` counts events that were accepted, `refused` those that were not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import segment.analytics as segment
from confluent_kafka import KafkaError, Message, Producer

from ops.shop.traffic import Event, Parcel
from router.config.models import Topology
from router.config.topics import topics_of
from router.embedded.capacity import Capacity
from router.errors import Unavailable
from router.kafka import clients
from router.kafka.cluster import Cluster

FLUSH_SECONDS = 30.0
CAPACITY_SECONDS = 30.0


class Sdk:
    """The web site: segment-analytics-python as it comes from PyPI; only its `host` is ours."""

    def __init__(self, gateway: str, write_key: str) -> None:
        logging.getLogger("segment").setLevel(logging.CRITICAL)  # what it says is counted in `refused`
        self.queued = 0
        self.refused = 0
        self._client = segment.Client(write_key, host=gateway, on_error=self._failed, gzip=True, upload_interval=0.2)

    @property
    def sent(self) -> int:
        return self.queued - self.refused

    def send(self, event: Event) -> None:
        call = getattr(self._client, event["type"])
        call(**_arguments(event))
        self.queued += 1

    def flush(self) -> None:
        self._client.flush()

    def close(self) -> None:
        self._client.join()

    def _failed(self, _: Exception, batch: Sequence[Any]) -> None:
        self.refused += len(batch)


def _arguments(event: Event) -> dict[str, Any]:
    """An event as the SDK's methods take it."""
    names = {"userId": "user_id", "anonymousId": "anonymous_id", "messageId": "message_id"}
    given = {names.get(name, name): value for name, value in event.items() if name != "type"}
    return given | {"timestamp": datetime.fromisoformat(event["timestamp"])}


class Producers:
    """The app and the order system: they write to Kafka, keyed by device, hashed as the Java clients do."""

    def __init__(self, cluster: Cluster, topology: Topology, write_key: str, capacity: Capacity | None) -> None:
        """`capacity` is asked before each message where the broker drops what does not fit."""
        self.sent = 0
        self.refused = 0
        self._producer = Producer(clients.producer(cluster, linger_ms=5))
        self._topics = {"app": topics_of(topology).raw, "orders": topology.sources["orders"].topics[0]}
        self._headers = {"app": (("write-key", write_key.encode()),), "orders": ()}
        self._capacity = capacity

    def send(self, parcel: Parcel) -> None:
        """Raises Unavailable when the broker is full for half a minute."""
        topic = self._topics[parcel.channel]
        if self._capacity is not None:
            self._wait(self._capacity)
            self._capacity.note([(topic, parcel.value, parcel.key, None)])

        def answered(error: KafkaError | None, _: Message) -> None:
            self.refused += parcel.count if error else 0
            self.sent += 0 if error else parcel.count

        headers: list[tuple[str, str | bytes | None]] = [*self._headers[parcel.channel]]
        headers.append(("received-at", str(int(time.time() * 1000)).encode()))
        self._producer.produce(topic, parcel.value, parcel.key, on_delivery=answered, headers=headers)
        self._producer.poll(0)

    def flush(self) -> None:
        left = self._producer.flush(FLUSH_SECONDS)
        if left:
            raise Unavailable(f"Kafka has not acknowledged {left} messages in {FLUSH_SECONDS:.0f} s")

    def _wait(self, capacity: Capacity) -> None:
        deadline = time.monotonic() + CAPACITY_SECONDS
        while not capacity.free():
            if time.monotonic() > deadline:
                raise Unavailable("the broker is full, and nothing is read from it")
            self._producer.poll(0.05)

"""Produces what one batch came to, waits while the client's queue is full, and notes what the broker answered.

A producer by itself is at least once: `flush` returns once all is acknowledged by all in-sync replicas. kill -9 before
that leaves any part of the batch written. In a transaction (`router.kafka.transactions`) it leaves nothing visible.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial

from confluent_kafka import KafkaError, Message, Producer

from router.errors import Unavailable
from router.events.fans import Fan
from router.events.records import PlacedRecord, Record
from router.kafka.native_producer import QUEUE_SECONDS, NativeFan

FLUSH_SECONDS = 60.0

Report = Callable[[KafkaError | None, Message], None]


class Writer:
    """One producer. Only changelog records carry a callback in a transaction: a report of each output costs 1 µs.

    `produce` of the client takes its callback in the fifth place; in the sixth, a None before it would hide it. With
    `native`, the loop on this very producer, what needs no report and goes to several topics is queued by that.
    """

    def __init__(self, producer: Producer, changelog: str = "", native: NativeFan | None = None) -> None:
        self._producer = producer
        self._native = native
        self._changelog = changelog
        self._landed: dict[int, int] = {}
        self._places: list[int | None] = []
        self._failed: KafkaError | None = None

    def produce(self, records: Iterable[Record], shared: Collection[Fan], report: Report | None = None) -> None:
        """Queue single records, and records that go to several topics. Raises KafkaException or Unavailable."""
        produce = self._producer.produce
        if report is None and self._native is not None and self._native.produce(shared):
            shared = ()
        for topics, value, key, headers in shared:
            own = headers.first
            for topic in topics:
                try:
                    produce(topic, value, key, -1, report, None, 0, own)
                except BufferError:
                    self._produce_when_there_is_room((topic, value, key, own), report)
                own = headers.others
        for record in records:
            topic, value, own_key, own_headers = record
            try:
                produce(topic, value, own_key, -1, report, None, 0, own_headers)
            except BufferError:
                self._produce_when_there_is_room(record, report)

    @property
    def native(self) -> bool:
        """Whether the produce loop is the native one."""
        return self._native is not None

    def produce_reported(self, records: Iterable[Record], shared: Collection[Fan]) -> None:
        """As `produce`; `flush` raises when one of them is not taken."""
        self.produce(records, shared, self._note_failure)

    def produce_changelog(self, values: Mapping[int, bytes]) -> None:
        """Queue one changelog record for each partition; `landed` has their offsets once they are acknowledged."""
        for partition, value in values.items():
            try:
                self._producer.produce(self._changelog, value, None, partition, self._note_landing, None, 0)
            except BufferError:
                self._produce_when_there_is_room((self._changelog, value, None, None), self._note_landing, partition)

    def produce_placed(self, records: Sequence[PlacedRecord]) -> None:
        """Queue records for partitions of the caller's choice; `places` has their offsets once acknowledged."""
        self._places = [None] * len(records)
        for number, (topic, partition, value, key, headers) in enumerate(records):
            report = partial(self._note_place, number)
            try:
                self._producer.produce(topic, value, key, partition, report, None, 0, headers)
            except BufferError:
                self._produce_when_there_is_room((topic, value, key, headers), report, partition)  # type: ignore[arg-type]

    @property
    def places(self) -> list[int]:
        """The offsets of what `produce_placed` queued last. Raises Unavailable where the broker has named none."""
        found = [offset for offset in self._places if offset is not None]
        if len(found) < len(self._places):
            raise Unavailable("the broker did not say where it put some messages")
        return found

    def start(self) -> None:
        """Forget the reports of the batch before."""
        self._landed, self._places, self._failed = {}, [], None

    @property
    def landed(self) -> dict[int, int]:
        """The offset after the changelog record of each partition written since `start`."""
        return dict(self._landed)

    def flush(self) -> None:
        """Wait until all is acknowledged. Raises Unavailable when something is not."""
        left = self._producer.flush(FLUSH_SECONDS)
        if left or self._failed is not None:
            raise Unavailable(f"the broker did not take {left or 'some'} messages: {self._failed or 'no answer'}")

    def close(self) -> None:
        """Raises Unavailable when something that was queued is not taken."""
        self.flush()
        self._producer.close()

    def _produce_when_there_is_room(self, record: Record, report: Report | None, partition: int = -1) -> None:
        topic, value, key, headers = record
        deadline = time.monotonic() + QUEUE_SECONDS
        while time.monotonic() < deadline:
            self._producer.poll(0.01)
            try:
                self._producer.produce(topic, value, key, partition, report, None, 0, headers)
            except BufferError:
                continue
            return
        raise Unavailable("the broker takes no more messages")

    def _note_failure(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed = error

    def _note_place(self, number: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed = error
        else:
            self._places[number] = message.offset()

    def _note_landing(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed = error
            return
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self._landed[partition] = offset + 1

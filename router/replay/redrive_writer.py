"""How events that are sent once more and the log of them become durable: those of a redrive, and those of a replay.

On Kafka, whatever the topology's guarantee, in one transaction: kill -9 at any point leaves both or neither, so that
each letter is sent once. Opening a writer ends the one that was open before, and nothing of an unfinished transaction
remains: the log that is read afterwards is complete. On the embedded broker, which has no transactions, events first:
kill -9 between the two sends one batch again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from confluent_kafka import Producer

from router.embedded.capacity import Capacity
from router.errors import Unavailable
from router.events.fans import Fan, FanHeaders
from router.events.records import Record
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.failure import translated
from router.kafka.native_producer import native_producer
from router.kafka.transactions import TransactionAborted, TransactionalWriter
from router.kafka.writer import Writer

ATTEMPTS = 10
PAUSE_SECONDS = 0.5
CAPACITY_SECONDS = 60.0


class RedriveWriter(Protocol):
    def write(self, events: Sequence[Record], log: Sequence[Record]) -> None:
        """Returns once all of it is durable. Raises Fenced when another writer of this id was opened, Unavailable."""

    def close(self) -> None: ...


def open_writer(cluster: Cluster, transactional_id: str, capacity: Capacity | None) -> RedriveWriter:
    """The only writer of this id. Raises RouterError."""
    larger = {"message.max.bytes": clients.LARGEST_DEAD_LETTER, **cluster.overrides}
    with translated(transactional_id):
        if not cluster.capabilities.transactions:
            return EventsFirst(Writer(Producer(clients.producer(cluster) | larger)), capacity)
        producer, native = native_producer(clients.transactional(cluster, transactional_id) | larger)
        return OneTransaction(TransactionalWriter(producer, native=native))


class OneTransaction:
    """A batch and its log in one transaction, tried again where the broker aborts it."""

    def __init__(self, writer: TransactionalWriter) -> None:
        self._writer = writer

    def write(self, events: Sequence[Record], log: Sequence[Record]) -> None:
        single, shared = _grouped(events)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._writer.transaction() as transaction:
                    transaction.produce([*single, *log], shared)
                    transaction.commit()
                return
            except TransactionAborted as aborted:
                if attempt == ATTEMPTS:
                    raise Unavailable(f"the broker aborts every transaction: {aborted}") from aborted
                time.sleep(PAUSE_SECONDS)

    def close(self) -> None:
        self._writer.close()


def _grouped(events: Sequence[Record]) -> tuple[Sequence[Record], Sequence[Fan]]:
    """All events for the native produce loop where they have one topic and headers, and a key each; else none."""
    if not events:
        return events, ()
    topic, _, _, headers = events[0]
    if headers is None or any(key is None or own is not headers or to != topic for to, _, key, own in events):
        return events, ()
    topics, same = (topic,), FanHeaders.alike(headers)
    return (), [(topics, value, key or b"", same) for _, value, key, _ in events]


class EventsFirst:
    """A batch, and its log once the batch is acknowledged."""

    def __init__(self, writer: Writer, capacity: Capacity | None) -> None:
        self._writer = writer
        self._capacity = capacity

    def write(self, events: Sequence[Record], log: Sequence[Record]) -> None:
        self._wait_for_capacity(events)
        for records in (events, log):
            self._writer.start()
            self._writer.produce_reported(records, ())
            self._writer.flush()

    def _wait_for_capacity(self, events: Sequence[Record]) -> None:
        if self._capacity is None:
            return
        deadline = time.monotonic() + CAPACITY_SECONDS
        while not self._capacity.free():
            if time.monotonic() > deadline:
                raise Unavailable("the broker is full: is a router delivering what is sent?")
            time.sleep(0.05)
        self._capacity.note(events)

    def close(self) -> None:
        self._writer.close()

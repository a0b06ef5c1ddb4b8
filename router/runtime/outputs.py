"""Makes a batch durable: in one Kafka transaction, or, where the broker has none, output first.

`exactly_once`: outputs, state changelog and input offsets are one transaction. kill -9 at any point leaves it open;
the broker aborts it, readers at read_committed never see it, and the batch is read again.
`at_least_once`: outputs are flushed, then the changelog; the caller then writes local state and commits offsets.
kill -9 repeats at most the batch in flight: a key is known only once its output is durable. When in doubt, emit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from router.errors import Fenced, RouterError, Unavailable
from router.events.records import Fan, Record
from router.kafka.failure import translated
from router.runtime.watchdog import Watchdog

log = logging.getLogger(__name__)
CALL_SECONDS = 10.0
GIVE_UP_SECONDS = 60.0
INSIST_SECONDS = 30.0  # by then the coordinator has aborted whatever was open
HANGS_TICKS = 16  # each call is given 10 s; a machine that is busy may hear of that late


class Redo(RouterError):
    """The batch was aborted as a whole; nothing of it is visible. Rewind and read it again."""


@dataclass(slots=True)
class Work:
    """A prepared batch: what to produce (`fans`: each to several topics), one changelog value for each partition, where
    the input stands after it.
    """

    records: Sequence[Record]
    changelog: Mapping[int, bytes]
    offsets: list[TopicPartition]
    group: Any
    fans: Sequence[Fan] = ()


class Outputs(Protocol):
    """One way to make a batch durable."""

    def commit(self, work: Work) -> dict[int, int]:
        """Returns the next changelog offset of each partition written. Raises Redo, Fenced or Unavailable."""

    def close(self) -> None: ...


class _Writer:
    """A producer that notes where changelog records landed and what failed.

    `produce` takes its callback in the fifth place; in the sixth, a None before it would hide it.
    """

    def __init__(self, producer: Producer, changelog: str) -> None:
        self.producer = producer
        self._changelog = changelog
        self.landed: dict[int, int] = {}
        self.failed: KafkaError | None = None

    def produce(self, work: Work, *, report: bool) -> None:
        produce = self.producer.produce
        on_delivery = self._note_failure if report else None
        for topics, value, key, headers in work.fans:
            for topic in topics:
                try:
                    produce(topic, value, key, -1, on_delivery, None, 0, headers)
                except BufferError:
                    self._produce_when_there_is_room((topic, value, key, headers), on_delivery)
        for record in work.records:
            try:
                produce(*record[:3], -1, on_delivery, None, 0, record[3])
            except BufferError:
                self._produce_when_there_is_room(record, on_delivery)

    def _produce_when_there_is_room(
        self, record: Record, on_delivery: Callable[[Any, Message], None] | None, partition: int = -1
    ) -> None:
        """The producer's queue is full."""
        topic, value, key, headers = record
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            self.producer.poll(0.01)
            try:
                self.producer.produce(topic, value, key, partition, on_delivery, None, 0, headers)
            except BufferError:
                continue
            return
        raise Unavailable("the broker takes no more messages")

    def produce_changelog(self, values: Mapping[int, bytes]) -> None:
        for partition, value in values.items():
            try:
                self.producer.produce(self._changelog, value, None, partition, self._note_landing, None, 0)
            except BufferError:
                self._produce_when_there_is_room((self._changelog, value, None, None), self._note_landing, partition)

    def _note_failure(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.failed = error

    def _note_landing(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed = error
            return
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self.landed[partition] = offset + 1

    def start(self) -> None:
        self.landed, self.failed = {}, None

    def flush(self) -> None:
        """Wait until all is acknowledged. Raises Unavailable when something is not."""
        left = self.producer.flush(GIVE_UP_SECONDS)
        if left or self.failed is not None:
            raise Unavailable(f"the broker did not take {left or 'some'} messages: {self.failed or 'no answer'}")


class Transactional:
    """exactly_once. `group` of the work must be the metadata taken right after its messages were consumed.

    Making one fences the producer that had the same transactional id before. Raises RouterError.
    """

    def __init__(self, producer: Producer, changelog: str, watchdog: Watchdog | None = None) -> None:
        self._writer = _Writer(producer, changelog)
        self._watchdog = watchdog or Watchdog(HANGS_TICKS)
        with translated("transactions"):
            self._insist("init_transactions", CALL_SECONDS)

    def commit(self, work: Work) -> dict[int, int]:
        writer = self._writer
        writer.start()
        try:
            self._insist("begin_transaction")
            writer.produce(work, report=False)
            writer.produce_changelog(work.changelog)
            self._insist("send_offsets_to_transaction", work.offsets, work.group, CALL_SECONDS)
            self._insist("commit_transaction", CALL_SECONDS)
        except KafkaException as error:
            self._abort(error)
        return dict(writer.landed)

    def _insist(self, call: str, *arguments: Any) -> None:
        """Make the call; repeat what librdkafka calls retriable, raise the rest."""
        deadline = time.monotonic() + INSIST_SECONDS
        while True:
            try:
                with self._watchdog.watch(call):
                    getattr(self._writer.producer, call)(*arguments)
                return
            except KafkaException as error:
                cause = error.args[0]
                if cause.fatal() or not cause.retriable() or cause.txn_requires_abort():
                    raise
                if time.monotonic() > deadline:
                    raise Unavailable(f"the broker does not finish a transaction: {cause.str()}") from error
                time.sleep(0.05)

    def _abort(self, error: KafkaException) -> None:
        """Undo what was begun. Raises Redo; Fenced or Unavailable when this producer is of no further use.

        Not every error of a failed transaction says that it needs an abort: `produce` calls it a wrong state.
        """
        cause: KafkaError = error.args[0]
        if cause.fatal():
            raise Fenced(f"this worker's transactions are over: {cause.str()}") from error
        try:
            self._insist("abort_transaction", CALL_SECONDS)
        except KafkaException as second:
            if second.args[0].fatal():
                raise Fenced(f"this worker's transactions are over: {second.args[0].str()}") from second
            raise Unavailable(f"the transaction failed: {cause.str()}") from second
        raise Redo(cause.name()) from error

    def close(self) -> None:
        try:
            self._writer.producer.close()
        except KafkaException as error:
            log.warning("the producer was over before it was closed: %s", error.args[0].str())
        self._watchdog.close()


class ByTurns:
    """exactly_once with two transactional producers that take turns; one transaction is over before the next begins.

    The broker says that a transaction is committed before it has written so in each partition. Until then it turns the
    producer's next transaction away, which costs 20 to 100 ms of waiting; the other producer it lets begin. kill -9
    leaves one transaction open at most, as with one producer.
    """

    def __init__(self, one: Outputs, other: Outputs) -> None:
        self._next, self._last = one, other

    def commit(self, work: Work) -> dict[int, int]:
        self._next, self._last = self._last, self._next
        return self._last.commit(work)

    def close(self) -> None:
        self._next.close()
        self._last.close()


class OutputFirst:
    """at_least_once: the caller commits `work.offsets` on its consumer, after local state is written."""

    def __init__(self, producer: Producer, changelog: str) -> None:
        self._writer = _Writer(producer, changelog)

    def commit(self, work: Work) -> dict[int, int]:
        writer = self._writer
        writer.start()
        writer.produce(work, report=True)
        writer.flush()
        writer.produce_changelog(work.changelog)
        writer.flush()
        return dict(writer.landed)

    def close(self) -> None:
        self._writer.flush()
        self._writer.producer.close()

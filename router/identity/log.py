"""The ordered log of identity facts, and the replica that follows it.

Facts are appended outside any transaction and acknowledged by all replicas before the batch that found them goes on, so
an event that was resolved with a fact can always be resolved so again. kill -9 may append a fact twice; repeats are
ignored. All methods are for the consuming thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from router import metrics
from router.errors import Unavailable
from router.identity.replica import Replica
from router.kafka.offsets import log_ends

log = logging.getLogger(__name__)
CALL_SECONDS = 30.0
APPEND_SECONDS = 20.0  # well before max.poll.interval
CATCH_UP_SECONDS = 3600.0
REPORT_SECONDS = 10.0

Answer = tuple[KafkaError | None, Message]  # of the broker


class LinkLog:
    """Appends facts and feeds the replica, which reads its own appends back in the log's order."""

    def __init__(
        self,
        replica: Replica,
        topic: str,
        *,
        producer: Mapping[str, Any],
        reader: Mapping[str, Any],
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._replica = replica
        self._topic = topic
        self._now_ms = now_ms
        self._producer = Producer(dict(producer))
        self._consumer = Consumer(dict(reader))
        self._looked = self._reported = time.monotonic()
        self._end = self._start()

    def _start(self) -> int:
        """Assign the log from the replica's position; returns the end that `catch_up` must pass."""
        low, high = self._span()
        position = self._replica.position()
        if not low <= position <= high:
            log.error("identity replica stands at %d, the log spans %d to %d: rebuilding", position, low, high)
            self._replica.reset(low)
            position = low
        self._consumer.assign([TopicPartition(self._topic, 0, position)])
        return high

    def _span(self) -> tuple[int, int]:
        return log_ends(self._consumer, self._topic, 0, CALL_SECONDS)

    def look(self) -> None:
        """Look up the log's end anew: `caught_up` once the replica has passed it."""
        _, self._end = self._span()
        self._looked = self._reported = time.monotonic()

    @property
    def caught_up(self) -> bool:
        return self._replica.position() >= self._end

    def progress(self) -> str:
        """How far the replica has come, in words."""
        return f"{self._replica.position()} of {self._end} records of {self._topic} read"

    def follow(self, wait: float = 0) -> int:
        """Apply the records that are there; returns how many. Raises Unavailable when it does not catch up in time."""
        behind = not self.caught_up
        applied = 0
        for message in self._consumer.consume(500, wait):
            error = message.error()
            if error is None:
                self._apply(message)
                applied += 1
            elif error.code() != KafkaError._PARTITION_EOF:
                raise Unavailable(f"cannot read {self._topic}: {error.str()}")
        if behind:
            self._watch()
        return applied

    def _watch(self) -> None:
        """Catching up has a deadline and reports its progress."""
        now = time.monotonic()
        metrics.RESTORE_RECORDS.labels("identity").set(max(0, self._end - self._replica.position()))
        if self.caught_up:
            metrics.RESTORE_SECONDS.labels("identity").set(now - self._looked)
        elif now > self._looked + CATCH_UP_SECONDS:
            raise Unavailable(f"restoring identities takes too long: {self.progress()}")
        elif now > self._reported + REPORT_SECONDS:
            self._reported = now
            log.info("restoring: %s", self.progress())

    def _apply(self, message: Message) -> None:
        self._replica.apply_record(*self._stamp(message), message.value() or b"")

    def _stamp(self, message: Message) -> tuple[int, int]:
        """Offset and time in the log."""
        offset = message.offset()
        assert offset is not None
        _, at = message.timestamp()
        return offset, at or self._now_ms()

    def append(self, record: bytes) -> None:
        """Append one record of facts; returns once the replica has applied it. Raises Unavailable past the deadline.

        Where the replica stands right before it, the broker's acknowledgement has its offset and time, so it is applied
        at once; else the records that other workers wrote come first, from the log. It is read while the broker writes.
        """
        deadline = time.monotonic() + APPEND_SECONDS
        answers = self._produce(record)
        facts = self._replica.read(record)
        landed, at = self._stamp(self._written(answers, deadline))
        if landed == self._replica.position():
            self._replica.apply(landed, at, facts)
        while self._replica.position() <= landed:
            for message in self._consumer.consume(1, 0.05):
                if message.error() is None:
                    self._apply(message)
            if time.monotonic() > deadline:
                raise Unavailable("identity facts did not come back from the log")
        metrics.LINKS.labels("appended").inc()

    def _produce(self, record: bytes) -> list[Answer]:
        """Where the broker's answer will be, which `poll` brings."""
        answers: list[Answer] = []
        self._producer.produce(self._topic, record, None, 0, on_delivery=lambda *answer: answers.append(answer))
        return answers

    def _written(self, answers: list[Answer], deadline: float) -> Message:
        """The broker's acknowledgement, with the offset and the time of the record in the log."""
        while not answers and time.monotonic() < deadline:
            self._producer.poll(0.05)
        error, message = answers[0] if answers else (None, None)
        if error is not None or message is None:
            raise Unavailable(f"identity facts were not taken: {error.str() if error else 'no answer'}")
        return message

    def close(self) -> None:
        self._producer.close()
        self._consumer.close()

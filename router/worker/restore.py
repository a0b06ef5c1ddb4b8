"""Brings the window's store up to its changelog before the first event is read.

Order: the committed offsets were read first (`Reader`), so every batch that counts as done has its changelog record
below the end taken now; then read at read_committed until past it. Runs in slices, so that the member keeps polling.
A store that has read more than its log holds is of another log: it is emptied and all partitions are read anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from router import metrics
from router.dedupe.changelog import ChangelogError, unpack
from router.dedupe.window import NO_ROWS, Rows, Window
from router.errors import RouterError, Unavailable
from router.kafka.offsets import log_ends

log = logging.getLogger(__name__)
CALL_SECONDS = 30.0
REPORT_SECONDS = 10.0
MESSAGES = 200  # about 40 KB each


class Span(NamedTuple):
    """The offsets that a log holds; `high` is one past the last."""

    low: int
    high: int


class Restore:
    """One restore of some changelog partitions. `step` until `done`. Raises Unavailable where Kafka is not there."""

    def __init__(
        self,
        store: Window,
        topic: str,
        partitions: Iterable[int],
        *,
        reader: Consumer,
        uncommitted: Consumer,
        deadline_s: float,
    ) -> None:
        self._store = store
        self._topic = topic
        self._started = time.monotonic()
        self._deadline = self._started + deadline_s
        self._reported = self._started
        spans = self._spans(sorted(set(partitions)), uncommitted)
        self._fit(spans)
        self._at = self._starts(spans)  # partitions that are not there yet: the next offset to read
        self._ends = {partition: spans[partition].high for partition in self._at}
        self._total = self._open_records()
        self._skipped: set[int] = set()
        self._consumer = reader
        self._consumer.assign([TopicPartition(topic, *start) for start in self._at.items()])

    def _spans(self, partitions: list[int], ends: Consumer) -> dict[int, Span]:
        """Ends beyond what is committed: a batch that commits right now is waited for."""
        try:
            return {number: Span(*log_ends(ends, self._topic, number, CALL_SECONDS)) for number in partitions}
        finally:
            ends.close()

    def _fit(self, spans: Mapping[int, Span]) -> None:
        """Keys know no partition, so a store that does not fit in one place cannot be trusted anywhere."""
        for partition, span in spans.items():
            reached = self._store.checkpoint(partition)
            if reached is not None and reached > span.high:
                self._store.reset(f"it has read {self._topic} [{partition}] up to {reached}, which ends at {span.high}")
                return

    def _starts(self, spans: Mapping[int, Span]) -> dict[int, int]:
        starts = {partition: max(span.low, self._store.checkpoint(partition) or 0) for partition, span in spans.items()}
        return {partition: start for partition, start in starts.items() if start < spans[partition].high}

    def _open_records(self) -> int:
        return sum(self._ends[partition] - at for partition, at in self._at.items())

    @property
    def done(self) -> bool:
        return not self._at

    def progress(self) -> str:
        """How far it has come, in words."""
        read = self._total - self._open_records()
        return f"{read} of {self._total} records of {self._topic} read, {len(self._at)} partitions to go"

    def step(self, seconds: float) -> None:
        """Apply what arrives within the slice. Raises Unavailable past the deadline."""
        until = time.monotonic() + seconds
        while self._at and time.monotonic() < until:
            messages = self._consumer.consume(MESSAGES, 0.05)
            if messages:
                self._apply(messages)
        metrics.RESTORE_RECORDS.labels("window").set(self._open_records())
        now = time.monotonic()
        if self._at and now > self._deadline:
            raise Unavailable(f"restoring state takes too long: {self.progress()}")
        if self._at and now > self._reported + REPORT_SECONDS:
            self._reported = now
            log.info("restoring: %s", self.progress())

    def _apply(self, messages: list[Message]) -> None:
        rows: list[Rows] = []
        reached: dict[int, int] = {}
        for message in messages:
            error, partition, offset = message.error(), message.partition(), message.offset()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                self._trouble(error)
                continue
            assert partition is not None
            assert offset is not None
            if error is None:
                rows.append(self._rows(message, partition))
                offset += 1
            reached[partition] = offset
        self._store.write(Rows.joined(rows), reached)
        self._move(reached)

    def _move(self, reached: Mapping[int, int]) -> None:
        for partition in reached.keys() & self._at.keys():
            self._at[partition] = reached[partition]
            if reached[partition] >= self._ends[partition]:
                del self._at[partition]

    def _trouble(self, error: KafkaError) -> None:
        """A broker that is away for a while is waited for, until the deadline."""
        if error.fatal() or error.code() in _HOPELESS:
            raise Unavailable(f"cannot read {self._topic}: {error.str()}")
        log.warning("reading %s: %s", self._topic, error.str())

    def _rows(self, message: Message, partition: int) -> Rows:
        """The rows of a record. One that is none of ours is skipped: it says nothing about any id."""
        try:
            return unpack(message.value() or b"")
        except ChangelogError as error:
            metrics.CHANGELOG_SKIPPED.labels(str(partition)).inc()
            if partition not in self._skipped:
                self._skipped.add(partition)
                log.error("%s [%d] at %s: %s; skipped, and so are others", *_place(message), error)
        except RouterError as error:
            raise RouterError(f"{self._topic} [{partition}] at {message.offset()}: {error}") from error
        return NO_ROWS

    def close(self) -> None:
        self._consumer.close()
        metrics.RESTORE_RECORDS.labels("window").set(0)
        metrics.RESTORE_SECONDS.labels("window").set(time.monotonic() - self._started)


def _place(message: Message) -> tuple[str | None, int | None, int | None]:
    return message.topic(), message.partition(), message.offset()


_HOPELESS = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,  # the log was cut after its ends were read; the next start looks again
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    }
)

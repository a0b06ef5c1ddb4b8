"""Brings the window's store up to its changelog before the first event is read.

Order: the committed offsets were read first (`Reader`), so every batch that counts as done has its changelog record
below the end taken now; then read at read_committed until past it. Runs in slices, so that the member keeps polling.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from router import metrics
from router.errors import Unavailable
from router.state.changelog import ChangelogError, unpack

log = logging.getLogger(__name__)
CALL_SECONDS = 30.0


class RestoredStore(Protocol):
    """What a restore writes to."""

    def checkpoint(self, partition: int) -> int | None: ...
    def fits(self, partition: int, low: int, high: int) -> bool: ...
    def write(self, rows: list[tuple[bytes, int]], checkpoints: dict[int, int]) -> None: ...


class Restore:
    """One restore of some changelog partitions. `step` until `done`."""

    def __init__(
        self,
        store: RestoredStore,
        topic: str,
        partitions: Iterable[int],
        *,
        reader: Consumer,
        uncommitted: Consumer,
        deadline_s: float,
    ) -> None:
        self._store = store
        self._started = time.monotonic()
        self._deadline = self._started + deadline_s
        self._left: dict[int, int] = {}
        self._total = 0
        starts = self._plan(topic, sorted(set(partitions)), uncommitted)
        self._consumer = reader
        self._consumer.assign(starts)

    def _plan(self, topic: str, partitions: list[int], ends: Consumer) -> list[TopicPartition]:
        """Where each partition starts; `_left` maps it to the end that must be passed."""
        starts = []
        try:
            for partition in partitions:
                low, high = ends.get_watermark_offsets(TopicPartition(topic, partition), CALL_SECONDS)
                checkpoint = self._store.checkpoint(partition)
                if checkpoint is not None and not self._store.fits(partition, low, high):
                    checkpoint = None
                start = max(low, checkpoint or 0)
                if start < high:
                    self._left[partition] = high
                    self._total += high - start
                    starts.append(TopicPartition(topic, partition, start))
        except KafkaException as error:
            raise Unavailable(f"cannot read the ends of {topic}: {error.args[0].str()}") from error
        finally:
            ends.close()
        return starts

    @property
    def done(self) -> bool:
        return not self._left

    def progress(self) -> str:
        return f"{len(self._left)} partitions of {self._total} records left"

    def step(self, seconds: float) -> None:
        """Apply what arrives within the slice. Raises Unavailable past the deadline."""
        until = time.monotonic() + seconds
        while self._left and time.monotonic() < until:
            messages = self._consumer.consume(200, 0.05)
            if messages:
                self._apply(messages)
        if self._left and time.monotonic() > self._deadline:
            raise Unavailable(f"restoring state takes too long: {self.progress()}")

    def _apply(self, messages: list[Message]) -> None:
        rows: list[tuple[bytes, int]] = []
        checkpoints: dict[int, int] = {}
        for message in messages:
            error, partition, offset = message.error(), message.partition(), message.offset()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise Unavailable(f"cannot read the changelog: {error.str()}")
            assert partition is not None
            assert offset is not None
            if error is None:
                rows += self._rows(message)
                offset += 1
            checkpoints[partition] = offset
        self._store.write(rows, checkpoints)
        for partition, offset in checkpoints.items():
            if partition in self._left and offset >= self._left[partition]:
                del self._left[partition]

    def _rows(self, message: Message) -> list[tuple[bytes, int]]:
        try:
            return unpack(message.value() or b"")
        except ChangelogError as error:
            raise Unavailable(
                f"the changelog {message.topic()} [{message.partition()}] holds a foreign record at "
                f"{message.offset()}: {error}"
            ) from error

    def close(self) -> None:
        self._consumer.close()
        metrics.RESTORE_SECONDS.labels("window").set(time.monotonic() - self._started)

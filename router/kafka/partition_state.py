"""Where an owned partition stands: pure bookkeeping, for the group consumer and for Faust's alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING

from router.kafka.offsets import PartitionKey


@dataclass(slots=True, eq=False)
class PartitionState:
    """One owned partition, from its assignment to its revocation. Written by the consuming thread.

    `committed` is where a restart begins, `next` the offset after the last message read; both are OFFSET_BEGINNING
    while the group has committed nothing. `reached_ms` is the broker's time of the last message read, `end` where the
    last end-of-partition event stood.
    """

    topic: str
    number: int
    committed: int = OFFSET_BEGINNING
    next: int = OFFSET_BEGINNING
    end: int | None = None
    reached_ms: int = 0

    @property
    def place(self) -> PartitionKey:
        return self.topic, self.number

    @property
    def at_end(self) -> bool:
        """Nothing more to read. The event may come with the messages before it, and stands behind their markers."""
        return self.end is not None and self.end >= self.next

    @property
    def due(self) -> int:
        """The offset that the broker is asked for next: past the markers behind the last message."""
        return max(self.next, self.end or 0) if self.next >= 0 else self.next


def watermark_ms(partitions: Iterable[PartitionState], now_ms: int) -> int:
    """The receive time that every one of these partitions has reached."""
    return min((now_ms if one.at_end else one.reached_ms for one in partitions), default=0)

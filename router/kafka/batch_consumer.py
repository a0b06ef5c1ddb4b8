"""A member of a consumer group that reads batches as columns where the native library is in use.

Its promises are those of `router.kafka.group_consumer`; kill -9 as there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer

from router.events.message_batch import KIND_OF_TIME
from router.kafka.group_consumer import BATCH_BYTES, GroupConsumer, State
from router.kafka.native_reader import BatchReader, native_reader


class BatchConsumer(GroupConsumer[State]):
    """See GroupConsumer."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        topics: Sequence[str],
        open_state: Callable[[str, int, int, str], State],
        *,
        most: int,
    ) -> None:
        self._reader: BatchReader | None = None
        super().__init__(settings, topics, open_state, most=most, client=self._open)

    def _open(self, settings: dict[str, Any]) -> Consumer:
        client, self._reader = native_reader(settings, self._most)
        return client

    def read(self, wait: float) -> Sequence[Any]:
        """As GroupConsumer: a list of the client's messages, or a MessageBatch."""
        if self._reader is None:
            return super().read(wait)
        self._tell_owner()
        generation = self.generation
        self._without_events(self._client.consume(1, 0 if self.partitions else wait))
        if generation != self.generation or not self.partitions:
            return []
        batch, lasts, errors = self._reader.read(int(1000 * wait), BATCH_BYTES)
        for place, last in zip(batch.places, lasts, strict=True):
            kind = int(batch.marks[last]) & KIND_OF_TIME
            self._advance_to(place, int(batch.offsets[last]), kind, int(batch.times[last]))
        for place, offset, error in errors:
            self._event(place, offset, error)
        return batch

    def _assign(self) -> None:
        if self._reader is not None:
            self._reader.follow(self.index)
        super()._assign()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        super().close()

"""What the native scanner reads of a batch: values, receive times, and whose messages are not for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from router.agents.decode import Decode, Message
from router.events.message_batch import LOG_APPEND_TIME, Array, MessageBatch
from router.events.records import RECEIVED_AT, Headers
from router.native.scanner import NO_SOURCE


class ScanInput(NamedTuple):
    """Values one behind the other, which the scanner may write in; receive times in ms; numbers of sources."""

    values: Array
    ends: Array
    received: Array
    sources: bytes


class ScanInputs:
    """Makes them; `numbers` are those of the sources that the scanner knows."""

    def __init__(self, decode: Decode, numbers: Mapping[str, int]) -> None:
        self._decode = decode
        self._numbers = numbers

    def of(self, messages: Sequence[Message]) -> ScanInput:
        """The input of these messages; a source is NO_SOURCE where the long way has to find it."""
        if isinstance(messages, MessageBatch):
            return ScanInput(messages.values.copy(), messages.value_ends, messages.times, self._of_batch(messages))
        values = [message.value() or b"" for message in messages]
        ends = np.cumsum(np.fromiter(map(len, values), dtype=np.uint32, count=len(values)), dtype=np.uint32)
        times = np.array([message.timestamp()[1] for message in messages], dtype=np.int64)
        return ScanInput(np.frombuffer(bytearray().join(values), dtype=np.uint8), ends, times, self._of_each(messages))

    def _of_batch(self, batch: MessageBatch) -> bytes:
        usual = np.array([self._number(topic, None) for topic, _ in batch.places], dtype=np.uint8)
        sources = usual[batch.of_place]
        for indices, headers in batch.header_groups(RECEIVED_AT):
            places = batch.of_place[indices]
            for place in np.unique(places):
                sources[indices[places == place]] = self._number(batch.places[place][0], headers)
        sources[~(batch.has_broker_time() & batch.has_key())] = NO_SOURCE
        return sources.tobytes()

    def _of_each(self, messages: Sequence[Message]) -> bytes:
        usual: dict[str, int] = {}  # of messages without headers, by topic
        sources = bytearray()
        for message in messages:
            topic, headers = message.topic(), message.headers()
            if message.timestamp()[0] != LOG_APPEND_TIME or message.key() is None:
                sources.append(NO_SOURCE)
            elif headers:
                sources.append(self._number(topic, headers))
            else:
                if topic not in usual:
                    usual[topic] = self._number(topic, None)
                sources.append(usual[topic])
        return bytes(sources)

    def _number(self, topic: str, headers: Headers | None) -> int:
        return self._numbers.get(self._decode.source_of(topic, headers), NO_SOURCE)

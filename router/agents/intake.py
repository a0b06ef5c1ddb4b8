"""From messages to events: source lookup, receive time, splitting, shape, normalisation.

Pure and total. The cluster id and a message's place make the messageId of an event that has none, so reading the same
log again gives the same ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from router.events.event import Body, Event, Invalid, Limits, fallback_id, normalise, shape_problem, split
from router.events.records import Headers, Place

LOG_APPEND_TIME = 2
_OURS = frozenset(("write-key", "received-at", "origin", "source", "type", "event"))


class Message(Protocol):
    """What confluent_kafka.Message gives, and what tests imitate. Any where the client types a place as optional."""

    def value(self) -> bytes | None: ...
    def key(self) -> bytes | None: ...
    def headers(self) -> Any: ...
    def timestamp(self) -> tuple[int, int]: ...
    def topic(self) -> Any: ...
    def partition(self) -> Any: ...
    def offset(self) -> Any: ...


class Rejected(NamedTuple):
    """An item that is not an event, with its place."""

    invalid: Invalid
    lane: int
    place: Place
    key: bytes | None
    source: str
    stage: str = "parse"


class _Origin(NamedTuple):
    """What a message's place and headers say of all its events."""

    topic: str
    partition: int
    offset: int
    at: int
    source: str
    write_key: bytes | None = None
    own: Headers | None = None


class Intake:
    """Turns messages into events.

    `sources` are all there are (None: whatever `events.keyed` says): an event on its way round may outlive its source.
    """

    def __init__(
        self,
        *,
        cluster: str,
        limits: Limits,
        source_of_topic: Mapping[str, str],
        source_of_key: Mapping[str, str],
        default_source: str | None,
        keyed_topic: str = "",
        disabled: frozenset[str] = frozenset(),
        sources: frozenset[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cluster = cluster
        self.limits = limits
        self.source_of_topic = dict(source_of_topic)
        self.source_of_key = dict(source_of_key)
        self.default_source = default_source
        self.keyed_topic = keyed_topic
        self.disabled = disabled
        self.sources = sources
        self.clock = clock

    def __call__(self, message: Message, lane: int) -> list[Event | Rejected]:
        """What a message holds, in order: events with their bodies, and what is no event."""
        headers = message.headers()
        kind, at = message.timestamp()
        if headers or kind != LOG_APPEND_TIME:
            origin = self._with_headers(message, headers or (), at if kind == LOG_APPEND_TIME else None)
        else:
            topic = message.topic()
            origin = _Origin(topic, message.partition(), message.offset(), at, self.source_of_topic.get(topic, ""))
        items = split(message.value(), self.limits)
        alone = len(items) == 1
        return [self._item(item, index, origin, message, lane, alone=alone) for index, item in enumerate(items)]

    def told(self, topic: str, headers: Headers | None, field: Any) -> str:
        """The source of an event by its message's headers and its own `writeKey`; empty when there is none, or when
        the headers tell more than that.
        """
        if headers and (len(headers) > 1 or headers[0][0] != "write-key"):
            return ""
        header: Any = headers[0][1] if headers else None
        return self.source_of_topic.get(topic) or self._source(header, field)

    def _item(
        self, item: Body | Invalid, index: int, origin: _Origin, message: Message, lane: int, *, alone: bool
    ) -> Event | Rejected:
        topic, partition, offset, at, source, header, own = origin
        if type(item) is dict:
            written = item.pop("writeKey", None)
            if not source:
                source = self._source(header, written)
            reason = self._source_problem(source) or shape_problem(item, self.limits)
            if not reason:
                spare = ""
                if not item.get("messageId"):
                    spare = fallback_id(self.cluster, topic, partition, offset, at, index)
                normalise(item, at, spare)
                return Event(item, source, lane, offset, at, message.key(), own)
            item = Invalid(reason, (message.value() or b"") if alone else orjson.dumps(item))
        assert isinstance(item, Invalid)
        return Rejected(item, lane, Place(topic, partition, offset), message.key(), source)

    def _with_headers(self, message: Message, headers: Any, appended_ms: int | None) -> _Origin:
        """The place, receive time and source that headers may tell."""
        named = dict(headers)
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        source = self._source_of_topic(topic, named)
        if topic == self.keyed_topic:
            topic, partition, offset = _place(named.get("origin", b""), topic, partition, offset)
        at = _decimal(named.get("received-at")) or int(self.clock() * 1000) if appended_ms is None else appended_ms
        own = [pair for pair in headers if pair[0] not in _OURS] or None
        return _Origin(topic, partition, offset, at, source, named.get("write-key"), own)

    def _source_of_topic(self, topic: str, named: Mapping[str, bytes]) -> str:
        """On the re-keyed topic the first reader's finding stands in a header; other topics may belong to a source."""
        if topic == self.keyed_topic:
            return named.get("source", b"").decode(errors="replace")
        return self.source_of_topic.get(topic, "")

    def _source(self, header: bytes | None, field: Any) -> str:
        written = header.decode(errors="replace") if header else field
        if written and type(written) is str:
            return self.source_of_key.get(written, "")
        return self.default_source or ""

    def _source_problem(self, source: str) -> str:
        if not source or (self.sources is not None and source not in self.sources):
            return "unknown_source"
        return "source_disabled" if source in self.disabled else ""


def _decimal(header: bytes | None) -> int:
    try:
        return int(header or b"0")
    except ValueError:
        return 0


def _place(header: bytes, topic: str, partition: int, offset: int) -> tuple[str, int, int]:
    """The place a re-keyed message came from, so that it keeps its id and source."""
    try:
        origin, number, at = header.decode().rsplit(":", 2)
        return origin, int(number), int(at)
    except ValueError:
        return topic, partition, offset

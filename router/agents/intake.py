"""From messages to events: source lookup, receive time, splitting, shape, normalisation.

Pure and total. The cluster id and a message's place make the messageId of an event that has none, so reading the same
log again gives the same ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import orjson

from router.agents.records import Headers, Place
from router.event import Event, Invalid, Limits, fallback_id, normalise, shape_problem, split

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


class Intake:
    """Turns messages into events. `lanes` gives the lane of a topic and partition."""

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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cluster = cluster
        self.limits = limits
        self.source_of_topic = dict(source_of_topic)
        self.source_of_key = dict(source_of_key)
        self.default_source = default_source
        self.keyed_topic = keyed_topic
        self.disabled = disabled
        self.clock = clock

    def __call__(
        self, messages: Sequence[Message], lanes: Mapping[tuple[str, int], int]
    ) -> tuple[list[Event], list[Rejected]]:
        """All events of the messages in order, and what is none."""
        events: list[Event] = []
        rejected: list[Rejected] = []
        for message in messages:
            self._take(message, lanes[message.topic(), message.partition()], events, rejected)
        return events, rejected

    def _take(self, message: Message, lane: int, events: list[Event], rejected: list[Rejected]) -> None:
        headers = message.headers()
        named = dict(headers) if headers else {}
        topic, partition, offset, key = message.topic(), message.partition(), message.offset(), message.key()
        if topic == self.keyed_topic:
            topic, partition, offset = _place(named.get("origin", b""), topic, partition, offset)
        kind, at = message.timestamp()
        if kind != LOG_APPEND_TIME:
            at = _decimal(named.get("received-at")) or int(self.clock() * 1000)
        own: Headers | None = ([pair for pair in headers if pair[0] not in _OURS] or None) if headers else None
        of_topic = self._source_of_topic(message.topic(), named)
        of_header = named.get("write-key")
        limits = self.limits
        items = split(message.value(), limits)
        for index, body in enumerate(items):
            source = of_topic
            if type(body) is dict:
                written = body.pop("writeKey", None)
                if not source:
                    source = self._source(of_header, written)
                reason = self._source_problem(source) or shape_problem(body, limits)
                if not reason:
                    spare = ""
                    if not body.get("messageId"):
                        spare = fallback_id(self.cluster, topic, partition, offset, at, index)
                    normalise(body, at, spare)
                    events.append(Event(body, source, lane, offset, index, at, key, own))
                    continue
                body = Invalid(reason, (message.value() or b"") if len(items) == 1 else orjson.dumps(body))
            assert isinstance(body, Invalid)
            rejected.append(Rejected(body, lane, Place(topic, partition, offset), key, source))

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
        if not source:
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

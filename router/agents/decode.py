"""decode: from the bytes of a message to events that are well-formed and normalised, each with its source.

Nearly every message is clearly one event of a common shape: `fast` takes it in one go. All else it leaves to `items`,
which splits batches and lines, reads every header and says what is wrong. Both lead to the same event; a test compares
them. Messages without a key take a round by `events.keyed` first, so that a device's events meet in one partition.
Pure and total. The cluster id and a message's place make the messageId of an event that has none, so reading the same
log again gives the same ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

import orjson

from router import metrics
from router.agents.agent import Agent, Ending, Rejected, Setup
from router.agents.batch import Batch
from router.agents.nesting import nesting_bounds
from router.events.event import (
    LEAST_BYTES_OF_A_KEY,
    REASONS,
    Body,
    Event,
    Invalid,
    Limits,
    fallback_id,
    lacks_message_id,
    normalise,
    shape_problem,
)
from router.events.message_batch import LOG_APPEND_TIME
from router.events.parser import Repairs, encode
from router.events.placeholders import Placeholders
from router.events.reader import split
from router.events.records import FIRST_ORIGIN, RECEIVED_AT, REDRIVEN, REPLAY, Headers, Place, invalid_record
from router.events.times import is_canonical, iso
from router.events.topics import Topics

REMEMBERED_TIMES = 4096
_OURS = frozenset(("write-key", RECEIVED_AT, "origin", "source", "type", "event", REDRIVEN, FIRST_ORIGIN, REPLAY))
_BRACE = ord("{")
_TYPES = frozenset(("track", "page", "screen", "identify"))
_IDS = frozenset(((str, str), (str, type(None)), (type(None), str)))
_NONE: Body = {}


class Message(Protocol):
    """What confluent_kafka.Message gives, and what tests imitate. Any where the client types a place as optional."""

    def value(self) -> bytes | None: ...
    def key(self) -> bytes | None: ...
    def headers(self) -> Any: ...
    def timestamp(self) -> tuple[int, int]: ...
    def topic(self) -> Any: ...
    def partition(self) -> Any: ...
    def offset(self) -> Any: ...


class _Origin(NamedTuple):
    """What a message's place and headers say of all its events."""

    topic: str
    partition: int
    offset: int
    at: int
    source: str
    write_key: bytes | None = None
    own: Headers | None = None


class Decode(Agent):
    """The first agent: the only one that reads messages. `sources` are all there are; `refused` has the reason for each
    whose events are refused.
    """

    name = "decode"
    ending = Ending(
        "invalid",
        "Not an event; kept in events.invalid",
        "invalid",
        "not an event; router tap events.invalid --from-beginning --json",
    )
    reasons = REASONS
    counters = (metrics.REPAIRED,)

    def __init__(
        self,
        topics: Topics,
        *,
        cluster: str,
        limits: Limits,
        sources: Iterable[str],
        source_of_topic: Mapping[str, str],
        source_of_key: Mapping[str, str],
        default_source: str | None,
        refused: Mapping[str, str] | None = None,
        rekey: bool = True,
        placeholders: Placeholders | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits
        self._topics = topics
        self._cluster = cluster
        self._sources = frozenset(sources)
        self._source_of_topic = dict(source_of_topic)
        self._source_of_key = dict(source_of_key)
        self._default_source = default_source or ""
        self._refused = dict(refused or {})
        self._rekey = rekey
        self.placeholders = placeholders or Placeholders()
        self._clock = clock
        self.most_bytes = min(limits.event_bytes, limits.keys * LEAST_BYTES_OF_A_KEY)
        self._times: dict[int, str] = {}
        self._source_of_place: dict[tuple[str, bytes], str] = {}  # topic and write key
        self._unreadable = Repairs()

    @classmethod
    def build(cls, setup: Setup) -> Self:
        topology = setup.loaded.topology
        sources = topology.sources
        return cls(
            setup.topics,
            cluster=setup.cluster,
            limits=topology.limits.of_events(),
            sources=sources,
            source_of_topic={topic: name for name, source in sources.items() for topic in source.topics},
            source_of_key={key: name for name, source in sources.items() for key in source.keys(name)},
            default_source=topology.default_source,
            refused={name: why for name, source in sources.items() if (why := source.refusal(topology.environment))},
            rekey=setup.rekey,
            placeholders=topology.identity.blocked.placeholders(),
            clock=setup.clock,
        )

    def events(self, messages: Sequence[Message], lanes: Sequence[int], batch: Batch) -> Iterator[tuple[int, Event]]:
        """The events of these messages, in order, each with its message's index. Whoever takes one prepares it before
        the next. `lanes` are the messages'.
        """
        fast, depth = self.fast, self.limits.depth
        values = [message.value() for message in messages]
        for index, bound in enumerate(nesting_bounds(values)):
            message, lane = messages[index], lanes[index]
            event = fast(message, values[index], lane) if bound <= depth else None
            if event is not None:
                yield index, event
            else:
                for one in self.take(message, lane, batch):
                    yield index, one

    def source_of(self, topic: str, headers: Headers | None) -> str:
        """The source of a message whose value names none; empty where only a closer look can say, or it is refused."""
        write_key = _write_key(headers) if headers else b""
        if write_key is None:
            return ""
        place = topic, write_key
        found = self._source_of_place.get(place)
        if found is None:
            source = self._source_of_topic.get(topic) or self._source(write_key, None)
            if len(self._source_of_place) >= REMEMBERED_TIMES:
                self._source_of_place.clear()
            found = self._source_of_place[place] = "" if source in self._refused else source
        return found

    def take(self, message: Message, lane: int, batch: Batch) -> list[Event]:
        """The events of one message that go on; the rest is rejected or sent round."""
        repairs = Repairs()
        items = self.items(message, lane, repairs)
        if repairs:
            source = next((item.source for item in items if item.source), "none")
            for repair, number in repairs.items():
                batch.count(metrics.REPAIRED, source, repair, number=number)
        self.reject([item for item in items if isinstance(item, Rejected)], batch)
        events = [item for item in items if isinstance(item, Event)]
        if not self._rekey:
            return events
        for event in events:
            if event.key is None:
                batch.send_again(self._topics.keyed, event, event.body, event.source)
        return [event for event in events if event.key is not None]

    def reject(self, rejected: Sequence[Rejected], batch: Batch) -> None:
        """Keep what is not an event in `events.invalid`, and count it."""
        batch.received.update(item.lane for item in rejected)
        for item in rejected:
            topic = self._topics.invalid
            record = invalid_record(
                topic, item.invalid, item.place, item.key, item.stage, item.source, received=item.received
            )
            batch.records.append(record)
            self.end([(item.lane, item.source)], item.invalid.reason, batch)

    # The fast way. It stands in two functions because a call costs 0.1 µs, and every event takes it.

    def fast(self, message: Message, value: bytes | None, lane: int) -> Event | None:
        """The event of a message, or None: look closer. The caller has made sure that the value is not too deep."""
        if not value or len(value) > self.most_bytes or value[0] != _BRACE:
            return None
        try:
            body: Any = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        get = body.get
        call, user, anonymous, message_id = get("type"), get("userId"), get("anonymousId"), get("messageId")
        if (
            type(message_id) is not str
            or not 0 < len(message_id) <= self.limits.message_id
            or self.placeholders.matches(message_id)
            or (type(user), type(anonymous)) not in _IDS
            or not (user or anonymous)
            or type(call) is not str
            or call not in _TYPES
            or type(get("context", _NONE)) is not dict
            or type(get("properties", _NONE)) is not dict
            or type(get("traits", _NONE)) is not dict
            or type(get("integrations", _NONE)) is not dict
            or "batch" in body
            or "payload" in body
        ):
            return None
        return self._placed(message, body, lane, call)

    def _placed(self, message: Message, body: Any, lane: int, call: str) -> Event | None:
        """The event of a well-formed body: its source and times."""
        get, headers, key = body.get, message.headers(), message.key()
        kind, at = message.timestamp()
        name = get("event") if call == "track" else ""
        source = self._source_of_topic.get(message.topic()) or self._default_source
        if headers or "writeKey" in body:
            source = self._source_of_write_key(message.topic(), headers, body.pop("writeKey", None))
        if (
            kind != LOG_APPEND_TIME
            or key is None
            or type(name) is not str
            or (not name and call == "track")
            or not source
            or source in self._refused
        ):
            return None
        original = get("originalTimestamp") or get("timestamp")
        if get("sentAt") is None and type(original) is str and is_canonical(original):
            body["receivedAt"] = self._times.get(at) or self._time(at)
            body["originalTimestamp"] = body["timestamp"] = original
        else:
            normalise(body, at, "", self._unreadable)
            if self._unreadable:  # counted by the closer look
                self._unreadable.clear()
                return None
        return Event(body, source, lane, message.offset(), at, key, None)

    def _source_of_write_key(self, topic: str, headers: Headers | None, field: Any) -> str:
        """The source by its topic, header or `writeKey`; empty without one, or where headers say more than that."""
        header = _write_key(headers) if headers else b""
        if header is None:
            return ""
        return self._source_of_topic.get(topic) or self._source(header, field)

    def _time(self, at: int) -> str:
        if len(self._times) >= REMEMBERED_TIMES:
            self._times.clear()
        return self._times.setdefault(at, iso(at))

    # The closer look.

    def items(self, message: Message, lane: int, repairs: Repairs) -> list[Event | Rejected]:
        """What a message holds, in order."""
        headers = message.headers()
        kind, at = message.timestamp()
        origin = self._origin(message, headers or (), at if kind == LOG_APPEND_TIME else None)
        items = split(message.value(), self.limits, repairs)
        alone = len(items) == 1
        return [
            self._item(item, index, origin, message, lane, repairs, alone=alone) for index, item in enumerate(items)
        ]

    def _item(
        self,
        item: Body | Invalid,
        index: int,
        origin: _Origin,
        message: Message,
        lane: int,
        repairs: Repairs,
        *,
        alone: bool,
    ) -> Event | Rejected:
        topic, partition, offset, at, source, header, own = origin
        if type(item) is dict:
            written = item.pop("writeKey", None)
            if not source:
                source = self._source(header, written)
            reason = self._source_problem(source) or shape_problem(item, self.limits, repairs)
            if not reason:
                new_id = ""
                if lacks_message_id(item, self.placeholders, repairs):
                    new_id = fallback_id(self._cluster, topic, partition, offset, at, index)
                normalise(item, at, new_id, repairs)
                return Event(item, source, lane, offset, at, message.key(), own)
            item = Invalid(reason, (message.value() or b"") if alone else encode(item))
        assert isinstance(item, Invalid)
        return Rejected(item, lane, Place(topic, partition, offset), message.key(), source, received=at)

    def _origin(self, message: Message, headers: Any, appended_ms: int | None) -> _Origin:
        """The place, receive time and source; headers may give them."""
        named = dict(headers)
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic == self._topics.keyed:  # the first reader's findings are in headers
            source = named.get("source", b"").decode(errors="replace")
            topic, partition, offset = _place(named.get("origin", b""), topic, partition, offset)
        else:
            source = self._source_of_topic.get(topic, "")
        at = _decimal(named.get(RECEIVED_AT)) or int(self._clock() * 1000) if appended_ms is None else appended_ms
        own = [pair for pair in headers if pair[0] not in _OURS] or None
        return _Origin(topic, partition, offset, at, source, named.get("write-key"), own)

    def _source(self, header: bytes | None, field: Any) -> str:
        written = header.decode(errors="replace") if header else field
        if written and type(written) is str:
            return self._source_of_key.get(written, "")
        return self._default_source

    def _source_problem(self, source: str) -> str:
        if source not in self._sources:  # of a re-keyed event, it may be gone by now
            return "unknown_source"
        return self._refused.get(source, "")


def _write_key(headers: Headers) -> Any:
    """The write key that a gateway gives a message, empty without one; None where headers say more than a gateway's.

    What it says of the receive time counts only where the broker says nothing of it.
    """
    found: Any = b""
    for name, value in headers:
        if name == "write-key":
            found = value or b""
        elif name != RECEIVED_AT:
            return None
    return found


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

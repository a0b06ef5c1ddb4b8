"""emit: write each event to the clean stream and to the topic of each destination chosen, completed by its profile.

An event is serialised once, when all agents before have prepared it, and its bytes are shared by all topics. Where an
agent has given a destination a body of its own (`Choice.bodies`), that is written there instead.

The clean stream has source, type and name of an event in headers. Destinations have the source alone, since their body
says the rest; with a body of their own all, since a function may have changed what the body says.
Without state: kill -9 loses nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, Self

import orjson

from router.agents.agent import Agent, Ending, Prepare, RouteKey, Setup
from router.agents.batch import Batch
from router.agents.events import PROFILE_BYTES, PROFILE_END, ROOM, Alike, Events
from router.agents.route import Choice
from router.events.event import RELEASED, Event
from router.events.fans import Fan, FanHeaders, Fans, Spans
from router.events.parser import encode
from router.events.records import Headers
from router.metrics import FILTERED, SOURCE_RESOLVED, UNKNOWN_INTEGRATIONS


class OutHeaders(NamedTuple):
    """Headers of an event: of the body that topics share, and of bodies of a destination's own."""

    shared: FanHeaders
    own: FanHeaders


class Emit(Agent):
    """The last agent. `value` of an event is its JSON, with room for its profile."""

    name = "emit"
    ending = Ending("resolved", "Events that passed all agents", "resolved")
    counters = (FILTERED, UNKNOWN_INTEGRATIONS, SOURCE_RESOLVED)

    def __init__(self, *, clean: bool = True) -> None:
        self._clean = clean  # whether the first topic of each event is the clean stream

    @classmethod
    def build(cls, setup: Setup) -> Self:
        return cls(clean=setup.loaded.topology.topics.resolved)

    def headers(self, key: RouteKey, own: Headers | None = None) -> OutHeaders:
        """Of events of this source, type and name, the producer's `own` behind ours."""
        source, call_type, name = (text.encode() for text in key)
        said: Headers = [("source", source), *(own or ())]
        full: Headers = [("source", source), ("type", call_type), ("event", name), *(own or ())]
        return OutHeaders(FanHeaders(full if self._clean else said, said), FanHeaders.alike(full))

    def compile(self, key: RouteKey) -> Prepare:
        usual, dumps = self.headers(key), orjson.dumps

        def prepare(event: Event) -> None:
            body = event.body
            event.out = usual if event.headers is None else self.headers(key, event.headers)
            if "profileId" in body:
                del body["profileId"]
            try:
                text = dumps(body)
            except TypeError:  # a whole number beyond 64 bits
                text = encode(body)
            event.value = text[:-1] + ROOM
            if event.choice.bodies:
                event.own = _serialised(event.choice)
            if not event.keep:
                event.body = RELEASED

        return prepare

    def process(self, events: Events, batch: Batch) -> Events:
        """Write the profiles where there is room for them, and send each event to the topics of its choice."""
        shaped = {row: event for row, event in events.with_object() if event.choice.bodies}
        batch.fans = _fans_of_own(events, shaped) if shaped else _fans(events)
        self._count(events, batch)
        return events

    def _count(self, events: Events, batch: Batch) -> None:
        resolved = batch.ended[self.ending.name]
        for (lane, alike), number in Counter(zip(events.lanes, events.alike, strict=True)).items():
            choice = alike.choice
            batch.count(SOURCE_RESOLVED, alike.source, number=number)
            resolved[lane] += number
            for destination in choice.chosen:
                batch.routed[lane, destination] += number
            for destination, reason in choice.refused:
                batch.count(FILTERED, destination, reason, number=number)
            if choice.unknown:
                batch.count(UNKNOWN_INTEGRATIONS, alike.source, number=number * choice.unknown)


def _fans(events: Events) -> Fans:
    """The events as they lie in their block, each with its profile written where there is room for it."""
    kinds: dict[Alike, int] = {}
    of_kind = [kinds.setdefault(alike, len(kinds)) for alike in events.alike]
    block = memoryview(events.block)
    ends = [start + size - PROFILE_END for start, size in zip(events.starts, events.sizes, strict=True)]
    keys = Spans(events.block, [end - PROFILE_BYTES for end in ends], [PROFILE_BYTES] * len(ends))
    for start, end, profile in zip(keys.starts, ends, events.profiles, strict=True):
        block[start:end] = profile.encode()
    topics = [(alike.choice.topics, alike.headers) for alike in kinds]
    return Fans(topics, of_kind, Spans(events.block, events.starts, events.sizes), keys)


def _fans_of_own(events: Events, shaped: Mapping[int, Event]) -> list[Fan]:
    """In the order of the batch, as all: what goes to one topic stays in order."""
    fans: list[Fan] = []
    for row, (alike, profile) in enumerate(zip(events.alike, events.profiles, strict=True)):
        key, event = profile.encode(), shaped.get(row)
        own = event.own if event else {}
        if shared := tuple(topic for topic in alike.choice.topics if topic not in own):
            fans.append((shared, _with_profile(events.value(row), key), key, alike.headers))
        if event:
            fans += [((topic,), _with_profile(value, key), key, event.out.own) for topic, value in own.items()]
    return fans


def _serialised(choice: Choice) -> dict[str, bytes]:
    """Topic to bytes; a body that several destinations share is serialised once."""
    made: dict[int, bytes] = {}
    for body in choice.bodies.values():
        if id(body) not in made:
            body.pop("profileId", None)
            made[id(body)] = encode(body)[:-1] + ROOM
    return {choice.topic(name): made[id(body)] for name, body in choice.bodies.items()}


def _with_profile(value: bytes, key: bytes) -> bytes:
    return b"".join((memoryview(value)[: -PROFILE_END - PROFILE_BYTES], key, value[-PROFILE_END:]))

"""emit: write each event to the clean stream and to the topic of each destination chosen, completed by its profile.

An event is serialised once, when all agents before have prepared it, and its bytes are shared by all topics. Where an
agent has given a destination a body of its own (`Choice.bodies`), that is written there instead.

The clean stream has source, type and name of an event in headers. Destinations have the source alone, since their body
says the rest; with a body of their own all, since a function may have changed what the body says.
Without state: kill -9 loses nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
import orjson

from router.agents.agent import Agent, Ending, Prepare, RouteKey, Setup
from router.agents.batch import Batch
from router.agents.events import PROFILE_BYTES, PROFILE_END, ROOM, Events
from router.agents.route import Choice
from router.events.event import RELEASED, Event
from router.events.fans import Block, Fan, FanHeaders, FanKind, Fans, Spans
from router.events.message_batch import Array
from router.events.parser import encode
from router.events.records import Headers
from router.metrics import FILTERED, SOURCE_RESOLVED, UNKNOWN_INTEGRATIONS

_PROFILE = np.dtype(f"V{PROFILE_BYTES}")


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
        shaped = {row: event for row, event in events.objects.items() if event.choice.bodies}
        batch.fans = _fans_of_own(events, shaped) if shaped else _fans(events)
        self._count(events, batch)
        return events

    def _count(self, events: Events, batch: Batch) -> None:
        resolved, kinds = batch.ended[self.ending.name], len(events.kinds)
        counts = np.bincount(events.lanes * kinds + events.of_kind)
        for place in counts.nonzero()[0].tolist():
            lane, kind = divmod(place, kinds)
            alike, number = events.kinds[kind], int(counts[place])
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
    kinds, of_kind = _fan_kinds(events)
    places = events.starts + events.sizes - (PROFILE_BYTES + PROFILE_END)
    profiles = np.frombuffer("".join(events.profiles).encode(), dtype=_PROFILE)
    if len(places):
        _every_place(events.block)[places] = profiles
    keys = Spans(events.block, places, np.full(len(places), PROFILE_BYTES))
    return Fans(kinds, of_kind, Spans(events.block, events.starts, events.sizes), keys)


def _fan_kinds(events: Events) -> tuple[list[FanKind], Array]:
    """Topics and headers of the kinds that are present, and the place of each event's among them. Kinds of events that
    differ in their verdicts alone have the same.
    """
    places: dict[tuple[tuple[str, ...], int], int] = {}
    numbers = np.zeros(len(events.kinds), dtype=np.int64)
    found: list[FanKind] = []
    for kind in np.flatnonzero(np.bincount(events.of_kind)).tolist():
        topics, headers = events.kinds[kind].choice.topics, events.kinds[kind].headers
        place = numbers[kind] = places.setdefault((topics, id(headers)), len(found))
        if place == len(found):
            found.append((topics, headers))
    return found, numbers[events.of_kind]


def _every_place(block: Block) -> Array:
    """The profile's room at each byte of a block, as if one began there."""
    return np.ndarray((len(block) - PROFILE_BYTES + 1,), dtype=_PROFILE, buffer=block, strides=(1,))


def _fans_of_own(events: Events, shaped: Mapping[int, Event]) -> list[Fan]:
    """In the order of the batch, as all: what goes to one topic stays in order."""
    fans: list[Fan] = []
    for row, profile in enumerate(events.profiles):
        alike, key, event = events.alike(row), profile.encode(), shaped.get(row)
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

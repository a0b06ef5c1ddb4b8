"""emit: write each event to the clean stream and to the topic of each destination chosen, completed by its profile.

An event is serialised once, when all agents before have prepared it, and its bytes are shared by all topics. Where an
agent has given a destination a body of its own (`Choice.bodies`), that is written there instead.

The clean stream has source, type and name of an event in headers. Destinations have the source alone, since their body
says the rest; with a body of their own all, since a function may have changed what the body says.
Without state: kill -9 loses nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Self

import orjson

from router.agents.agent import Agent, Ending, Prepare, RouteKey, Setup
from router.agents.batch import Batch
from router.agents.route import Choice
from router.events.event import RELEASED, Event
from router.events.parser import encode
from router.events.records import FanHeaders, Headers
from router.metrics import FILTERED, SOURCE_RESOLVED, UNKNOWN_INTEGRATIONS


class OutHeaders(NamedTuple):
    """Headers of an event: of the body that topics share, and of bodies of a destination's own."""

    shared: FanHeaders
    own: FanHeaders


class Emit(Agent):
    """The last agent. `value` of an event is its JSON without the profile."""

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
                event.value = dumps(body)
            except TypeError:  # a whole number beyond 64 bits
                event.value = encode(body)
            if event.choice.bodies:
                event.own = _serialised(event.choice)
            if not event.keep:
                event.body = RELEASED

        return prepare

    def process(self, events: Sequence[Event], batch: Batch) -> Sequence[Event]:
        append, join = batch.fans.append, b"".join
        for event in events:
            key = event.profile.encode()
            choice: Choice = event.choice
            if choice.bodies:
                _emit_own(event, key, choice, batch)
            else:
                value = join((memoryview(event.value)[:-1], b',"profileId":"', key, b'"}'))
                append((choice.topics, value, key, event.out.shared))
            if choice.unknown:
                batch.count(UNKNOWN_INTEGRATIONS, event.source, number=choice.unknown)
        self._count(events, batch)
        return events

    def _count(self, events: Sequence[Event], batch: Batch) -> None:
        for source, number in Counter([event.source for event in events]).items():
            batch.count(SOURCE_RESOLVED, source, number=number)
        resolved = batch.ended[self.ending.name]
        for (lane, choice), number in Counter([(event.lane, event.choice) for event in events]).items():
            resolved[lane] += number
            for destination in choice.chosen:
                batch.routed[lane, destination] += number
            for destination, reason in choice.refused:
                batch.count(FILTERED, destination, reason, number=number)


def _emit_own(event: Event, key: bytes, choice: Choice, batch: Batch) -> None:
    """In the order of the batch, as all: what goes to one topic stays in order."""
    shared = tuple(topic for topic in choice.topics if topic not in event.own)
    if shared:
        batch.fans.append((shared, _with_profile(event.value, key), key, event.out.shared))
    for topic, own in event.own.items():
        batch.fans.append(((topic,), _with_profile(own, key), key, event.out.own))


def _serialised(choice: Choice) -> dict[str, bytes]:
    """Topic to bytes; a body that several destinations share is serialised once."""
    made: dict[int, bytes] = {}
    for body in choice.bodies.values():
        if id(body) not in made:
            body.pop("profileId", None)
            made[id(body)] = encode(body)
    return {choice.topic(name): made[id(body)] for name, body in choice.bodies.items()}


def _with_profile(value: bytes, key: bytes) -> bytes:
    return b"".join((memoryview(value)[:-1], b',"profileId":"', key, b'"}'))

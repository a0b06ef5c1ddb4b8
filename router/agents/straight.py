"""The straight way of nearly every message: from its bytes to an event that is ripe, in one go.

It takes a message that is clearly one well-formed event, and comes to what `Intake` and `Chain.ripen` come to: a test
holds the two together. All else it leaves to them. Everything stands in two functions because a call costs 0.1 µs,
and a walk of its own over the batch more: bodies leave the processor's cache meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from router.agents.dedupe import dedupe_key
from router.agents.fanout import Fanout
from router.agents.identify import who
from router.agents.intake import LOG_APPEND_TIME, Intake, Message
from router.agents.validate import mark
from router.agents.way import Kind, Way
from router.events.event import LEAST_BYTES_OF_A_KEY, LET_GO, Body, Event, is_time, iso, normalise
from router.identity import pair

REMEMBERED_TIMES = 4096
_BRACE = ord("{")
_TYPES = frozenset(("track", "page", "screen", "identify"))
_IDS = frozenset(((str, str), (str, type(None)), (type(None), str)))
_NONE: Body = {}


class Straight:
    """`ways` holds what events of a kind have in common; `way` adds one that is missing. `ripen` is for events that
    break their plan.
    """

    def __init__(
        self,
        intake: Intake,
        ways: Mapping[Kind, Way],
        way: Callable[[Kind], Way],
        fanout: Fanout,
        ripen: Callable[[Event], None],
    ) -> None:
        limits = intake.limits
        self._intake = intake
        self._longest_id = limits.message_id
        self._most_bytes = min(limits.event_bytes, limits.keys * LEAST_BYTES_OF_A_KEY)
        self._by_topic, self._default, self._disabled = intake.source_of_topic, intake.default_source, intake.disabled
        self._way = way
        self._ways = ways
        self._fanout = fanout
        self._ripen = ripen
        self._times: dict[int, str] = {}

    def __call__(self, message: Message, value: bytes | None, lane: int) -> Event | None:
        """A ripe event, or None: look closer. The caller has made sure that the value is not too deep."""
        if not value or len(value) > self._most_bytes or value[0] != _BRACE:
            return None
        try:
            body: Any = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        get = body.get
        call, user, anonymous, message_id = get("type"), get("userId"), get("anonymousId"), get("messageId")
        if (
            type(message_id) is not str
            or not 0 < len(message_id) <= self._longest_id
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
        return self._ripe(message, body, lane, call, user, anonymous, message_id)

    def _ripe(
        self, message: Message, body: Any, lane: int, call: str, user: Any, anonymous: Any, message_id: str
    ) -> Event | None:
        """What `Intake` finds out about a message, then what `Chain.ripen` does."""
        get, headers, key = body.get, message.headers(), message.key()
        kind, at = message.timestamp()
        name = get("event") if call == "track" else ""
        source = self._by_topic.get(message.topic()) or self._default
        if headers or "writeKey" in body:
            source = self._intake.told(message.topic(), headers, body.pop("writeKey", None))
        if (
            kind != LOG_APPEND_TIME
            or key is None
            or type(name) is not str
            or (not name and call == "track")
            or not source
            or source in self._disabled
        ):
            return None
        original = get("originalTimestamp") or get("timestamp")
        if type(original) is str and get("sentAt") is None:
            stamp = body["receivedAt"] = self._times.get(at) or self._time(at)
            body["originalTimestamp"] = original
            body["timestamp"] = original if is_time(original) else stamp
        else:
            normalise(body, at, "")
        event = Event(body, source, lane, message.offset(), at, key, None)
        of = (source, call, name)
        event.out, event.choice, conforms, prefix, stamp = self._ways.get(of) or self._way(of)
        try:
            if not conforms(body):
                self._ripen(event)
                return event
        except ValueError:  # the plan's engine cannot look into it
            self._ripen(event)
            return event
        context = get("context", _NONE)
        if stamp:
            if context and "protocols" not in context:
                context["protocols"] = {"plan": stamp}
            else:
                mark(body, stamp)
        integrations = get("integrations")
        if integrations:
            event.choice = self._fanout(source, call, name, integrations)
        event.digest = dedupe_key(prefix, message_id)
        if call == "identify" or "traits" in context or "externalIds" in context:
            event.ids = who(body)
        else:
            event.ids = pair(user, anonymous) or (("message", message_id),)
        if "profileId" in body:
            del body["profileId"]
        event.value = orjson.dumps(body)
        event.body = LET_GO
        return event

    def _time(self, at: int) -> str:
        if len(self._times) >= REMEMBERED_TIMES:
            self._times.clear()
        return self._times.setdefault(at, iso(at))

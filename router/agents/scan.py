"""The native short cut through the agents: events that the scanner takes come prepared, without a body.

The scanner takes an event only where it makes the very bytes that the agents would (`router/native/scan.c`), and only
for a source, type and name about which no agent has more to say than decode, dedupe, validate, identify, route and emit
do of every event. All others take the long way, which alone defines what is right; a name is learned when it was seen
there. One of a thousand events that it takes goes both ways: a difference is counted and switches it off. Pure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from router import metrics
from router.agents.agent import Agent, RouteKey
from router.agents.batch import Batch, Lanes
from router.agents.decode import LOG_APPEND_TIME, Decode, Message
from router.agents.dedupe import Dedupe, mark_of
from router.agents.emit import Emit, headers_of
from router.agents.identify import Identify
from router.agents.route import Choice, Route
from router.agents.validate import Validate
from router.events.event import Event
from router.events.records import Headers
from router.native.automaton import Uncertain
from router.native.scanner import DIGEST_BYTES, NO_SOURCE, NOT_TAKEN, EventScanner, KindOf
from router.native.tables import ANYTHING

log = logging.getLogger(__name__)
FEWEST = 8  # messages: below that the long way is as fast
MOST_KINDS = 512
CHECKED = 1000  # one event of so many goes both ways
_TYPES = frozenset(("track", "page", "screen"))
_SECTION = "properties"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What events of one source, type and name have in common."""

    source: str
    type: str
    name: str
    mark: bytes
    choice: Choice
    headers: Headers


class Scan:
    """The scanner of one pipeline, for one thread."""

    def __init__(
        self, scanner: EventScanner, decode: Decode, agents: Sequence[Agent], prepare: Callable[[Event], None]
    ) -> None:
        self._scanner = scanner
        self._decode = decode
        self._agents = agents
        self._prepare = prepare
        self._numbers: dict[str, int] = {}  # of sources
        self._kinds: list[_Kind] = []
        self._learned: set[RouteKey] = set()
        self._pair = _only(agents, Identify).pair
        self._until_check = CHECKED
        self._off = False

    @classmethod
    def build(cls, decode: Decode, agents: Sequence[Agent], prepare: Callable[[Event], None]) -> Scan | None:
        """None without the native library, and where an agent replaces events by others, or a usual one is missing."""
        if any(agent.expands() for agent in agents):
            return None
        if any(sum(type(agent) is kind for agent in agents) != 1 for kind in _USUAL):
            return None
        limits = decode.limits
        scanner = EventScanner.open(most_bytes=decode.most_bytes, most_levels=limits.depth, most_id=limits.message_id)
        return cls(scanner, decode, agents, prepare) if scanner else None

    def learn(self, key: RouteKey) -> None:
        """Take such events from the next batch on, if all that is to be done with them is understood."""
        if self._off or key in self._learned or len(self._learned) >= MOST_KINDS:
            return
        self._learned.add(key)
        source, call_type, name = key
        if call_type not in _TYPES or any(
            type(agent) not in _USUAL and agent.compile(key) is not None for agent in self._agents
        ):
            return
        try:
            node, reference = self._conforming(key)
        except Uncertain:
            return
        number = self._numbers.setdefault(source, len(self._numbers))
        dedupe, route = _only(self._agents, Dedupe), _only(self._agents, Route)
        if number >= NO_SOURCE:
            return
        plan = orjson.dumps(reference) if reference else b""
        self._scanner.add(KindOf(number, call_type, name, plan, dedupe.prefix(source), node))
        self._kinds.append(_Kind(source, call_type, name, mark_of(call_type, name), route.usual(key), headers_of(key)))

    def _conforming(self, key: RouteKey) -> tuple[int, str]:
        """The node of the properties of events that conform, and the plan's reference. Raises Uncertain."""
        rules = _only(self._agents, Validate).rules[key[0]]
        if rules.plan is None:
            return ANYTHING, ""
        rule = rules.plan.only_rule(*key[1:])
        if rule is None or rule.unplanned or {*rule.own, *rule.common} - {_SECTION}:
            raise Uncertain("a plan of more than properties")
        schemas = [held[_SECTION].standalone() for held in (rule.own, rule.common) if _SECTION in held]
        if rule.names:
            schemas.append(rule.names)
        return self._scanner.nodes.node(schemas), rules.reference

    def events(self, messages: Sequence[Message], values: Sequence[bytes | None], lanes: Lanes) -> list[Event | None]:
        """For each message its prepared event, or None: the long way."""
        nothing: list[Event | None] = [None] * len(messages)
        if self._off or not self._kinds or len(messages) < FEWEST:
            return nothing
        times = [message.timestamp() for message in messages]
        sources = bytes(map(self._source, messages, times))
        found = self._scanner.scan([value or b"" for value in values], [at for _, at in times], sources)
        if found is None:
            return nothing
        rows, digests, given, output = found
        made = nothing
        kinds, pair, matches = self._kinds, self._pair, self._decode.placeholders.matches
        for index, row in enumerate(rows):
            number, out, out_size, user, user_size, anonymous, anonymous_size, id_at, id_size = row
            if number == NOT_TAKEN:
                continue
            message_id = given[id_at : id_at + id_size].decode()
            if matches(message_id):
                continue
            message, kind = messages[index], kinds[number]
            event = Event.prepared(kind.source, kind.type, kind.name, times[index][1], message.key())
            event.lane, event.offset = lanes[message.topic(), message.partition()], message.offset()
            event.value = output[out : out + out_size]
            event.digest = digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]
            event.mark, event.choice, event.out = kind.mark, kind.choice, kind.headers
            user_id = given[user : user + user_size].decode() if user_size else None
            device = given[anonymous : anonymous + anonymous_size].decode() if anonymous_size else None
            event.ids = pair(user_id, device) or (("message", message_id),)
            made[index] = event
            self._until_check -= 1
            if not self._until_check and not self._is_right(message, event):
                return [None] * len(messages)
        return made

    def _source(self, message: Message, time: tuple[int, int]) -> int:
        if time[0] != LOG_APPEND_TIME or message.key() is None:
            return NO_SOURCE
        return self._numbers.get(self._decode.source_of(message), NO_SOURCE)

    def _is_right(self, message: Message, event: Event) -> bool:
        """Whether the long way leads to the same. Where it does not, the scanner is not used again."""
        self._until_check = CHECKED
        events = self._decode.take(message, event.lane, Batch([("", 0)] * (event.lane + 1)))
        for one in events:
            self._prepare(one)
        same = len(events) == 1 and _compared(events[0]) == _compared(event)
        metrics.SCAN_CHECKS.labels("same" if same else "different").inc()
        if not same:
            log.error(
                "the native scanner differs from the agents; it is not used any more", extra={"source": event.source}
            )
            self._off = True
            metrics.NATIVE.labels("scan").set(0)
        return same


_USUAL: tuple[type[Agent], ...] = (Dedupe, Validate, Identify, Route, Emit)


def _only(agents: Iterable[Agent], kind: type[Any]) -> Any:
    return next(agent for agent in agents if type(agent) is kind)


def _compared(event: Event) -> tuple[Any, ...]:
    """All that the agents read of a prepared event; choices by what they say."""
    choice: Choice | None = event.choice  # None of an event that an agent ends
    said = choice and (choice.chosen, choice.topics, choice.refused, choice.unknown, choice.bodies)
    return (
        *(event.source, event.type, event.name, event.lane, event.offset, event.received, event.key, event.headers),
        *(event.value, event.digest, event.mark, event.ids, event.out, event.verdict, event.keep, said),
    )

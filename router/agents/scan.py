"""The native short cut through the agents: events that the scanner takes come prepared, without a body.

The scanner takes an event only where it makes the very bytes that the agents would (`router/native/scan.c`). What it
leaves open of an event is asked of the agent whose rule it is, about that part of the event alone; agents behind Route
look into the finished event as they always do. Events that an agent before Route may change or stop take the long way,
which alone defines what is right; a name is learned when it was seen there. One of a thousand events that the scanner
takes goes both ways: a difference is counted and switches it off. Pure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from router import metrics
from router.agents.agent import Agent, Prepare, RouteKey
from router.agents.batch import Batch, Lanes
from router.agents.decode import LOG_APPEND_TIME, Decode, Message
from router.agents.dedupe import Dedupe, mark_of
from router.agents.emit import Emit, OutHeaders
from router.agents.identify import Identify
from router.agents.route import Choice, Route
from router.agents.validate import Validate
from router.agents.verdict import mark
from router.events.event import RELEASED, Body, Event
from router.native.automaton import Uncertain
from router.native.scanner import (
    ASK,
    DIGEST_BYTES,
    IDENTIFIERS,
    INTEGRATIONS,
    NO_SOURCE,
    NOT_TAKEN,
    EventScanner,
    KindOf,
)
from router.native.tables import ANYTHING, Referred
from router.plan.compile import CompiledRule
from router.plan.model import section_of

log = logging.getLogger(__name__)
FEWEST = 8  # messages: below that the long way is as fast
MOST_KINDS = 512
CHECKED = 1000  # one event of so many goes both ways
REMEMBERED = 10_000  # names that were looked at, and choices by what events say of integrations
LONGEST_REMEMBERED = 200  # bytes of what an event says of integrations
_TYPES = frozenset(("track", "page", "screen", "identify", "group"))
Steps = Sequence[tuple[Agent, Prepare]]
Conforms = Callable[[Body], bool]


class _PlanOf(NamedTuple):
    """What the plan says of events of a kind: nodes for the scanner, and whom to ask where they do not say it all.

    `whole`: the plan needs all of the event to find its rule.
    """

    reference: str = ""
    node: int = ANYTHING
    context: int = ANYTHING
    asks: bool = False
    whole: bool = False
    conforms: Conforms | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """What events of one source, type and name have in common.

    `looks` are the steps that need the finished event, Emit the last; `reads` the fields that they need, None for all.
    """

    source: str
    type: str
    name: str
    mark: bytes
    choice: Choice
    headers: OutHeaders
    plan: _PlanOf
    route: Prepare
    identify: Prepare
    looks: tuple[Prepare, ...]
    reads: Collection[str] | None


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
        self._choices: dict[tuple[int, bytes], Choice] = {}
        self._pair = _only(agents, Identify).pair
        self._until_check = CHECKED
        self._off = False

    @classmethod
    def build(cls, decode: Decode, agents: Sequence[Agent], prepare: Callable[[Event], None]) -> Scan | None:
        """None without the native library, and where a usual agent is missing."""
        if any(sum(type(agent) is kind for agent in agents) != 1 for kind in _USUAL):
            return None
        limits = decode.limits
        scanner = EventScanner.open(
            most_bytes=decode.most_bytes,
            most_levels=limits.depth,
            most_id=limits.message_id,
            refuses_metadata=_only(agents, Route).reads_metadata,
        )
        return cls(scanner, decode, agents, prepare) if scanner else None

    def learn(self, key: RouteKey, steps: Steps) -> None:
        """Take such events from the next batch on, if all that `steps` do with them is understood."""
        if self._off or key in self._learned or len(self._kinds) >= MOST_KINDS:
            return
        if len(self._learned) >= REMEMBERED:
            self._learned = {(kind.source, kind.type, kind.name) for kind in self._kinds}
        self._learned.add(key)
        source, call_type, name = key
        looks = _looks(steps)
        if call_type not in _TYPES or looks is None:
            return
        try:
            plan = self._plan_of(key)
        except Uncertain:
            return
        number = self._numbers.setdefault(source, len(self._numbers))
        if number >= NO_SOURCE:
            return
        of = {type(agent): step for agent, step in steps}
        reference = orjson.dumps(plan.reference) if plan.reference else b""
        prefix = _only(self._agents, Dedupe).prefix(source)
        self._scanner.add(KindOf(number, call_type, name, reference, prefix, plan.node, plan.context, plan.asks))
        route: Route = _only(self._agents, Route)
        choice, reads = route.usual(key), _reads(key, steps, route.reached(key))
        kind = _Kind(
            source,
            call_type,
            name,
            mark_of(call_type, name),
            choice,
            _only(self._agents, Emit).headers(key),
            plan,
            of[Route],
            of[Identify],
            looks,
            reads,
        )
        self._kinds.append(kind)

    def _plan_of(self, key: RouteKey) -> _PlanOf:
        """Raises Uncertain where no such event conforms, or the plan speaks of more than a section and the context."""
        rules = _only(self._agents, Validate).rules[key[0]]
        if rules.plan is None:
            return _PlanOf()
        _, call_type, name = key
        rule = rules.plan.only_rule(call_type, name)
        looked_at = rules.plan.sections(call_type) if rule is None else {*rule.own, *rule.common}
        if looked_at - {section_of(call_type), "context"} or (rule is not None and rule.unplanned):
            raise Uncertain("a plan of more than a section and the context, or none")
        conforms = rules.conforms(call_type, name)
        if rule is None:
            return _PlanOf(rules.reference, asks=True, whole=True, conforms=conforms)
        try:
            referred = rules.plan.plan.resources.referred
            section, context = (self._node(rule, name, referred) for name in (section_of(call_type), "context"))
        except Uncertain:
            return _PlanOf(rules.reference, asks=True, conforms=conforms)
        return _PlanOf(rules.reference, section, context, conforms=conforms)

    def _node(self, rule: CompiledRule, section: str, referred: Referred) -> int:
        schemas: list[Any] = [held[section].standalone() for held in (rule.own, rule.common) if section in held]
        if rule.names and section != "context":
            schemas.append(rule.names)
        return self._scanner.nodes.node(schemas, referred)

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
        rows, _, digests, given, output = found
        made = nothing
        kinds, pair, matches = self._kinds, self._pair, self._decode.placeholders.matches
        for index, row in enumerate(rows):
            number, more, out, out_size, user, user_size, anonymous, anonymous_size, id_at, id_size = row
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
            if more or kind.looks:
                ids: Body = {"type": kind.type, "userId": user_id, "anonymousId": device, "messageId": message_id}
                sections = found.sections(index)
                if more and not self._answered(event, number, more, ids, sections, values[index] or b""):
                    continue
                if kind.looks and not _looked_into(event, kind, ids, sections):
                    continue
            made[index] = event
            self._until_check -= 1
            if not self._until_check and not self._is_right(message, event):
                return [None] * len(messages)
        return made

    def _answered(
        self, event: Event, number: int, more: int, ids: Body, sections: tuple[bytes, bytes, bytes], value: bytes
    ) -> bool:
        """Have the agents answer what the scanner leaves open. False for an event that has to take the long way."""
        kind, (section, context, integrations) = self._kinds[number], sections
        if more & INTEGRATIONS:
            event.choice = self._choice(number, integrations)
        if not more & (ASK | IDENTIFIERS):
            return True
        body = _parsed(kind, section, context)
        if more & ASK and not _conforms(kind.plan, orjson.loads(value) if kind.plan.whole else body):
            return False
        if more & IDENTIFIERS:
            event.body = body | ids
            kind.identify(event)
            event.body = RELEASED
        return True

    def _choice(self, number: int, integrations: bytes) -> Choice:
        """What events of a kind lead to that say this of integrations; remembered, since most say one of few things."""
        found = self._choices.get((number, integrations))
        if found is None:
            kind = self._kinds[number]
            event = Event.prepared(kind.source, kind.type, kind.name, 0, None)
            event.body = {"integrations": orjson.loads(integrations)}
            kind.route(event)
            found = event.choice
            if len(integrations) <= LONGEST_REMEMBERED:
                if len(self._choices) >= REMEMBERED:
                    self._choices.clear()
                self._choices[number, integrations] = found
        return found

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


def _looks(steps: Steps) -> tuple[Prepare, ...] | None:
    """The steps behind Route that are not usual, and Emit behind them; None where one before Route is not usual."""
    found, behind = [], False
    for agent, step in steps:
        behind = behind or type(agent) is Route
        if type(agent) not in _USUAL:
            if not behind:
                return None
            found.append(step)
    last, emit = steps[-1]
    return (*found, emit) if found and type(last) is Emit else None if found else ()


def _conforms(plan: _PlanOf, body: Body) -> bool:
    try:
        return plan.conforms is None or plan.conforms(body)
    except ValueError:  # the plan's engine cannot look into it
        return False


def _reads(key: RouteKey, steps: Steps, destinations: Collection[str]) -> Collection[str] | None:
    """The fields that agents need which are not usual; None for all of them."""
    read: set[str] = set()
    for agent, _ in steps:
        if type(agent) not in _USUAL:
            fields = agent.reads(key, destinations)
            if fields is None:
                return None
            read.update(fields)
    return read


def _parsed(kind: _Kind, section: bytes, context: bytes) -> Body:
    parts = ((section_of(kind.type), section), ("context", context))
    return {name: orjson.loads(text) for name, text in parts if text}


def _looked_into(event: Event, kind: _Kind, ids: Body, sections: tuple[bytes, bytes, bytes]) -> bool:
    """Have agents look into the finished event, or what they need of it. False where one ends it, or keeps its body."""
    *looks, _ = kind.looks
    body = _read(kind, ids, sections)
    if body is None:
        event.body = orjson.loads(event.value)
        return not any(look(event) for look in kind.looks) and event.body is RELEASED
    event.body = body
    if any(look(event) for look in looks) or event.keep or event.choice.bodies:
        return False
    event.body = RELEASED
    return True


def _read(kind: _Kind, ids: Body, sections: tuple[bytes, bytes, bytes]) -> Body | None:
    """The fields that agents need of an event; None where only the whole event has them all."""
    if kind.reads is None:
        return None
    known = ids | {"event": kind.name} if kind.type == "track" else ids
    section, context, _ = sections
    texts = {section_of(kind.type): section, "context": context}
    body: Body = {}
    for name in kind.reads:
        if name in texts:
            if texts[name]:
                body[name] = orjson.loads(texts[name])
        elif (value := known.get(name)) is not None:
            body[name] = value
        else:
            return None
    mark(body, kind.plan.reference)
    return body


def _compared(event: Event) -> tuple[Any, ...]:
    """All that the agents read of a prepared event; choices by what they say."""
    choice: Choice | None = event.choice  # None of an event that an agent ends
    said = choice and (choice.chosen, choice.topics, choice.refused, choice.unknown, choice.bodies)
    own = event.own if choice and choice.bodies else None
    return (
        *(event.source, event.type, event.name, event.lane, event.offset, event.received, event.key, event.headers),
        *(event.value, event.digest, event.mark, event.ids, event.out, event.verdict, event.keep, said, own),
    )

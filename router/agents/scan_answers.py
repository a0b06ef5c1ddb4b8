"""What the native scanner leaves open of an event, asked of the agents whose rules it is about.

The plan, integrations and identifiers are asked with the sections they speak of; agents behind Route look into the
finished event, or the fields of it that they say they need. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

from router.agents.route import Choice
from router.agents.scan_kinds import ScanKind
from router.agents.verdict import mark
from router.events.event import RELEASED, Body, Event
from router.native.scanner import ASK, IDENTIFIERS, INTEGRATIONS, Scanned
from router.plan.model import section_of

REMEMBERED = 10_000  # choices by what events say of integrations
LONGEST_REMEMBERED = 200  # bytes of what an event says of integrations


class OpenEvent(NamedTuple):
    """An event of a batch, by its place among the scanner's answers; `more` is what that leaves open of it."""

    found: Scanned
    at: int
    kind: ScanKind
    more: int
    raw: bytes  # the message
    sections: tuple[bytes, bytes, bytes]  # properties or traits, context, integrations

    def ids(self) -> Body:
        """The fields that say what the event is and of whom."""
        user, anonymous, message_id = self.found.ids(self.at)
        return {"type": self.kind.type, "userId": user, "anonymousId": anonymous, "messageId": message_id}


class ScanAnswers:
    """Those of one pipeline's agents."""

    def __init__(self) -> None:
        self._choices: dict[tuple[ScanKind, bytes], Choice] = {}

    def answer(self, event: Event, one: OpenEvent) -> bool:
        """Complete an event that has no value; False where it has to take the long way. Agents that change it give it
        the value that they make.
        """
        return self._asked(event, one) and (not one.kind.looks or _looked_into(event, one))

    def _asked(self, event: Event, one: OpenEvent) -> bool:
        """Whether the plan, where it is asked, says yes. Sets whom the event is about, and where it goes."""
        kind, more = one.kind, one.more
        section, context, integrations = one.sections
        if more & INTEGRATIONS:
            event.choice = self._choice(kind, integrations)
        if not more & (ASK | IDENTIFIERS):
            return True
        body = kind.parsed(section, context)
        if more & ASK and not kind.plan.conforms(orjson.loads(one.raw) if kind.plan.whole else body):
            return False
        if more & IDENTIFIERS:
            event.body = body | one.ids()
            kind.identify(event)
            event.body = RELEASED
        return True

    def _choice(self, kind: ScanKind, integrations: bytes) -> Choice:
        """What events of a kind lead to that say this of integrations; remembered, since most say one of few things."""
        found = self._choices.get((kind, integrations))
        if found is None:
            event = Event.prepared(kind.source, kind.type, kind.name, 0, None)
            event.body = {"integrations": orjson.loads(integrations)}
            kind.route(event)
            found = event.choice
            if len(integrations) <= LONGEST_REMEMBERED:
                if len(self._choices) >= REMEMBERED:
                    self._choices.clear()
                self._choices[kind, integrations] = found
        return found


def _looked_into(event: Event, one: OpenEvent) -> bool:
    """Have agents look into the finished event, or what they need of it. False where one ends it, or keeps its body."""
    *looks, _ = one.kind.looks
    body = _read(one)
    if body is None:
        event.body = orjson.loads(one.found.value(one.at))
        del event.body["profileId"]
        return not any(look(event) for look in one.kind.looks) and event.body is RELEASED
    event.body = body
    if any(look(event) for look in looks) or event.keep or event.choice.bodies:
        return False
    event.body = RELEASED
    return True


def _read(one: OpenEvent) -> Body | None:
    """The fields that agents need of an event; None where only the whole event has them all."""
    kind = one.kind
    if kind.reads is None:
        return None
    ids = one.ids()
    known = ids | {"event": kind.name} if kind.type == "track" else ids
    section, context, _ = one.sections
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
